// The slides of a cohort in a table that sorts and filters.

import { field, h, put, text } from "../../lib/dom.js";
import { count, plural, prob, span } from "../../lib/format.js";
import { advice, lost, reason } from "../queue/lost.js";

const rowsAtOnce = 200;

const columns = [
  { name: "Slide", of: (s) => s.name, cell: (s) => (s.state === "done" ? h("a", { href: `#/slides/${s.id}`, class: "break" }, s.name) : h("span", { class: "break" }, s.name)) },
  { name: "State", of: (s) => s.state, cell: state },
  { name: "Answer", of: (s) => s.prediction, cell: (s) => s.prediction && h("span", { class: "tag " + tone(s.prediction) }, s.prediction) },
  { name: "Score", number: true, of: (s) => s.score, cell: score },
  { name: "Lesions", number: true, of: (s) => s.state === "done" ? s.lesions : null, cell: (s) => s.state === "done" ? count(s.lesions) : "" },
  { name: "Patches", number: true, of: (s) => s.patches, cell: (s) => s.patches ? count(s.patches) : "" },
  { name: "Label", of: (s) => s.label, cell: (s) => (s.label === 1 ? "BCC" : s.label === 0 ? "not BCC" : "") },
  { name: "Took", number: true, of: (s) => s.took_s, cell: (s) => (s.took_s ? span(s.took_s) : "") },
];

export const tone = (prediction) => ({ "BCC": "yes", "Non-malignant": "no" })[prediction] ?? "open";

function state(s) {
  if (lost(s)) return [h("strong", { class: s.state === "failed" ? "bad" : "tag apart" }, s.state), ": ", h("span", { class: "break" }, reason(s)), advice[s.state] && h("small", { class: "soft" }, ` ${advice[s.state]}`)];
  const extra = [s.cached && "from an earlier run", ...(s.degraded ?? [])].filter(Boolean);
  const share = s.state === "running" && s.patches ? ` ${Math.floor(100 * s.patches_done / s.patches)} %` : "";
  return [s.state + share, extra.length > 0 && h("small", { class: "soft" }, ` (${extra.join("; ")})`)];
}

function score(s) {
  if (s.state !== "done") return "";
  return [h("span", { class: "spark", "aria-hidden": "true" }, h("i", { style: { width: 100 * s.score + "%" } })), prob(s.score)];
}

// slideTable returns { node, show(slides) }.
export function slideTable() {
  let all = [], by = null, down = false, limit = rowsAtOnce;
  const rows = new Map(); // by id: { tr, was }, so that a row that did not change is left alone
  const search = h("input", { type: "search", on: { input: draw } });
  const states = choice(["pending", "running", "done", "failed", "quarantined", "cancelled"]);
  const answers = choice(["BCC", "Non-malignant", "Indeterminate"]);
  const shown = h("p", { class: "soft", role: "status" });
  const body = h("tbody");
  const more = h("button", { type: "button", hidden: true, on: { click: () => { limit += 5 * rowsAtOnce; draw(); } } }, "Show more");
  const heads = columns.map((c) => h("th", { scope: "col", class: c.number && "number" }, h("button", { type: "button", class: "sort", on: { click: () => sort(c) } }, c.name)));
  const node = h("section", { "aria-labelledby": "slides-head" },
    h("h2", { id: "slides-head" }, "Slides"),
    h("div", { class: "row fields" }, field("Name has", search), field("State", states), field("Answer", answers)),
    shown,
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table of slides" }, h("table", { class: "slides" }, h("thead", {}, h("tr", {}, heads)), body)),
    more);

  function choice(names) {
    return h("select", { on: { change: draw } }, h("option", { value: "" }, "all"), names.map((n) => h("option", { value: n }, n)));
  }

  function sort(c) {
    down = by === c ? !down : !!c.number; // numbers begin with the largest
    by = c;
    columns.forEach((other, i) => {
      if (other === c) heads[i].setAttribute("aria-sort", down ? "descending" : "ascending");
      else heads[i].removeAttribute("aria-sort");
    });
    draw();
  }

  function row(s) {
    const was = JSON.stringify(s);
    let r = rows.get(s.id);
    if (r?.was === was) return r.tr;
    r ??= { tr: h("tr", { "data-id": s.id }) };
    r.was = was;
    put(r.tr, columns.map((c, i) => h(i ? "td" : "th", { scope: i ? null : "row", class: c.number && "number" }, c.cell(s))));
    rows.set(s.id, r);
    return r.tr;
  }

  function draw() {
    const words = search.value.toLowerCase();
    let list = all.filter((s) => (!words || s.name.toLowerCase().includes(words)) && (!states.value || s.state === states.value) && (!answers.value || s.prediction === answers.value));
    if (by) list = list.toSorted((a, b) => compare(by.of(a), by.of(b), down));
    const want = list.slice(0, limit).map(row);
    if (want.length !== body.children.length || want.some((tr, i) => tr !== body.children[i])) put(body, want);
    text(shown, list.length === all.length ? "" : `${list.length} of ${plural(all.length, "slide")}`);
    more.hidden = list.length <= limit;
  }

  return { node, show(slides) { all = slides; draw(); } };
}

// compare orders values with those that are missing last, whichever way.
export function compare(a, b, down) {
  const none = (v) => v === null || v === undefined || v === "";
  if (none(a) || none(b)) return none(a) - none(b);
  const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return down ? -order : order;
}
