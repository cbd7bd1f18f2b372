// The machine: what it has, what it does, over the last minutes.

import { h, put, text } from "../lib/dom.js";
import { get, problem } from "../lib/api.js";
import { bytes, count, fixed, plural, span, when } from "../lib/format.js";
import { uPlot } from "../lib/thirdparty.js";

const every = 2000, kept = 150, shown = every * kept / 1000; // milliseconds; readings; seconds

// What was seen stays while the page is open, so that coming back finds the charts as they were.
const seen = { t: [], rate: [], patches: [], cpu: [], memory: [] };

const charts = [
  { key: "rate", name: "Patches a second", value: count },
  { key: "patches", name: "Patches that wait", value: count },
  { key: "cpu", name: "Processor, %", value: (v) => fixed(v, 0), max: 100 },
  { key: "memory", name: "Memory of this program, MB", value: (v) => fixed(v, 0) },
];

export default async function machine(place, signal) {
  const facts = h("dl", { class: "figures" });
  const words = h("p", { role: "status" });
  const plots = h("div", { class: "plots" });
  const workers = h("div");
  place.append(h("h1", {}, "Machine"), words, facts, plots, h("section", { "aria-labelledby": "workers-head" }, h("h2", { id: "workers-head" }, "Workers"), workers));
  let draw = () => {};
  drawer(plots, signal).then((d) => { draw = d; draw(); }, (err) => put(plots, h("p", { class: "bad" }, problem(err))));
  while (!signal.aborted) {
    try {
      const m = await get("/machine", signal);
      keep(m);
      put(facts, figures(m).map(([k, v, small]) => h("div", {}, h("dt", {}, k), h("dd", {}, v, small && h("small", {}, small)))));
      put(workers, table(m.workers));
      put(words, (m.degraded ?? []).map((d) => h("span", { class: "tag open" }, d)));
      draw();
    } catch (err) {
      if (signal.aborted) return;
      put(words, h("span", { class: "bad" }, problem(err)));
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

function keep(m) {
  const add = { t: Date.parse(m.timestamp) / 1000 || Date.now() / 1000, rate: m.patches_per_s, patches: m.backlog.patches, cpu: m.cpu_percent, memory: m.memory.rss_bytes / 1e6 };
  if (add.t <= seen.t.at(-1)) return;
  for (const [k, v] of Object.entries(add)) {
    seen[k].push(v);
    if (seen[k].length > kept) seen[k].shift();
  }
}

function figures(m) {
  const b = m.backlog, w = m.workers;
  return [
    ["Speed", count(m.patches_per_s), "patches a second"],
    ["Waiting", plural(b.slides_waiting, "slide"), b.patches ? `${plural(b.patches, "patch", "patches")}, ${b.drain_s ? span(b.drain_s) : "no time known"}` : "no patch"],
    ["Running", plural(b.slides_running, "slide")],
    ["Workers", `${count(w.present)} of ${count(w.wanted)}`, wanted(w)],
    ["Devices", (m.devices ?? []).join(", ") || "none", `${plural(m.cores, "core")}, ${fixed(m.cpu_percent, 0)} % busy`],
    ["Memory", bytes(m.memory.rss_bytes), `of this program; ${bytes(m.memory.used_bytes)} of ${bytes(m.memory.total_bytes)} in all`],
    ["Disk", bytes(m.disk.free_bytes), `free of ${bytes(m.disk.total_bytes)}`],
    ["Requests", count(m.requests.in_flight), `at once of ${count(m.requests.limit)}`],
    ["Model", `${m.model.name} ${m.model.version}`, (m.model.sha256 ?? "").slice(0, 12)],
  ];
}

// wanted says in words how many workers there should be, who says so and why.
function wanted(w) {
  const words = w.present < w.wanted ? "present of wanted: more would help" : "present of wanted";
  const a = w.autoscaler;
  if (!a) return words;
  const kinds = Object.entries(a.wanted).sort().map(([kind, n]) => `${count(n)} × ${kind}`);
  const says = kinds.length === 1 && a.reason ? [a.reason] : [kinds.join(", "), a.reason].filter(Boolean); // a reason begins with how many
  return `${words}; the autoscaler at ${when(a.at)}: ${says.join(": ")}`;
}

function table({ list }) {
  if (!list?.length) return h("p", { class: "soft" }, "No worker is there: slides wait until one comes.");
  const columns = [
    ["Worker", (w) => w.id], ["Kind", (w) => w.kind || "–"], ["Machine", (w) => w.host], ["Devices", (w) => (w.devices ?? []).join(", ")], ["Slides", (w) => `${w.busy} of ${w.jobs}`],
    ["Patches/s", (w) => fixed(w.patches_per_s, 0)], ["Memory", (w) => bytes(w.rss_bytes)], ["Since", (w) => when(w.started)], ["", (w) => [w.draining && "ends when it is through", ...(w.degraded ?? [])].filter(Boolean).join("; ")],
  ].filter(([name, of]) => name || list.some(of));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table of workers" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map(([name]) => h("th", { scope: "col" }, name || "Note")))),
    h("tbody", {}, list.map((w) => h("tr", {}, columns.map(([, of], i) => h(i ? "td" : "th", { scope: i ? null : "row" }, of(w))))))));
}

// drawer makes the charts and returns what draws them. They are made anew when the
// colours or the width change: a canvas does not follow the style sheet.
async function drawer(place, signal) {
  const Plot = await uPlot();
  let made = [];
  function make() {
    for (const p of made) p.plot.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui, sans-serif" };
    made = charts.map((c) => {
      const now = h("strong", {});
      const figure = h("figure", { class: "plot" }, h("figcaption", {}, c.name, " ", now));
      return { ...c, now, figure };
    });
    put(place, made.map((m) => m.figure));
    for (const m of made) {
      m.plot = new Plot({
        width: Math.max(240, m.figure.clientWidth), height: 170, cursor: { show: false }, legend: { show: false },
        scales: { x: { range: stretch }, y: { range: (_, lo, hi) => [0, m.max ?? Math.max(1, hi * 1.1)] } },
        axes: [{ ...axis, values: (_, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: ticks[1] - ticks[0] < 60 ? "2-digit" : undefined })), space: 80 }, { ...axis, size: 56 }],
        series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--accent-wash"), points: { show: false } }],
      }, [seen.t, seen[m.key]], m.figure);
      m.figure.querySelector("canvas").setAttribute("aria-hidden", "true"); // the caption says the value
    }
  }
  make();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { make(); draw(); }, { signal });
  let timer = 0;
  globalThis.addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => { make(); draw(); }, 150); }, { signal });
  signal.addEventListener("abort", () => made.forEach((m) => m.plot.destroy()));
  // stretch is the time that the charts show: five minutes, less when they have just begun.
  function stretch() {
    const last = seen.t.at(-1) ?? 0;
    return [last - Math.min(shown, Math.max(60, last - (seen.t[0] ?? 0))), last];
  }

  function draw() {
    for (const m of made) {
      m.plot.setData([seen.t, seen[m.key]]);
      text(m.now, m.value(seen[m.key].at(-1)));
    }
  }
  return draw;
}
