// One cohort: its slides in a table, their scores in charts, its CSV.

import { h, put, question, save } from "../../lib/dom.js";
import { ask, get, modelInfo, problem } from "../../lib/api.js";
import { follow } from "../../lib/events.js";
import { plural, when } from "../../lib/format.js";
import { say } from "../../lib/say.js";
import { write } from "../../lib/csv.js";
import { over, progressBar, progressWords, title } from "../queue/card.js";
import { retryButton } from "../queue/lost.js";
import { charts } from "./charts.js";
import { labelDrop } from "./labels.js";
import { slideTable } from "./table.js";

export default async function cohort(place, signal, id) {
  let summary = await get(`/cohorts/${id}?limit=1000`, signal);
  const info = await modelInfo().catch(() => ({}));
  const slides = new Map(); // by id, in the manifest's order
  for (const s of summary.slides) slides.set(s.id, s);

  const head = h("h1", { class: "break" }, title(summary));
  const facts = h("p", { class: "soft" });
  const bar = progressBar();
  const words = h("p", { class: "progress-words" });
  const cancel = h("button", { type: "button", class: "quiet", on: { click: stop } }, "Cancel");
  const retry = retryButton(title(summary), id, signal, (c) => { location.hash = `#/cohorts/${c.id}`; });
  const table = slideTable();
  const charted = charts(info.confidence_threshold);
  const labels = labelDrop(slides, changed);
  place.append(
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "All cohorts")),
    h("div", { class: "row" }, head, h("span", { class: "grow" }), cancel, retry.node, h("button", { type: "button", on: { click: out } }, "Save as CSV")),
    facts, bar.node, words,
    charted.node,
    labels.node,
    table.node);
  document.title = `${title(summary)} · bcc`;

  function show() {
    const n = summary.counts;
    put(facts, `${plural(n.submitted, "slide")}, ${summary.priority}, submitted ${when(summary.submitted)}` + (summary.deadline ? `, wanted by ${when(summary.deadline)}` : ""));
    bar.update(summary);
    put(words, progressWords(summary));
    cancel.hidden = over(summary);
    retry.update(n);
  }

  // changed draws again, at most twice a second however many events come.
  let waiting = 0;
  function changed() {
    waiting ||= setTimeout(() => {
      waiting = 0;
      if (signal.aborted) return;
      table.show([...slides.values()]);
      charted.show([...slides.values()]);
      labels.show();
    }, slides.size > 200 ? 1000 : 100);
  }

  async function stop() {
    if (!(await question(`Cancel ${title(summary)}? What is done stays.`, "Cancel the cohort", "Go on"))) return;
    await ask(`/cohorts/${id}`, { method: "DELETE", signal }).then(() => say("cancelled"), (err) => put(words, h("span", { class: "bad" }, problem(err))));
  }

  function out() {
    const columns = ["id", "name", "state", "prediction", "score", "confidence", "lesions", "patches", "label", "sha256", "took_s", "degraded", "error"];
    const rows = [...slides.values()].map((s) => columns.map((c) => (c === "degraded" ? (s.degraded ?? []).join("; ") : c === "error" ? s.error?.message : s[c])));
    save(new Blob([write([columns, ...rows])], { type: "text/csv" }), `${title(summary).replace(/[^\w.-]+/g, "-")}.csv`);
    say("saved");
  }

  // A label from a dropped CSV stays when the server speaks of the slide again.
  function take(s) {
    const before = slides.get(s.id);
    slides.set(s.id, { ...before, ...s, label: s.label ?? before?.label ?? null });
  }

  show();
  changed();
  if (!over(summary)) {
    follow(`/cohorts/${id}/events`, signal, (kind, data) => {
      if (kind === "cohort") { summary = { ...summary, ...data }; show(); }
      if (kind === "slide") take(data);
      if (kind === "progress" && slides.has(data.id)) take({ ...data, state: "running" });
      if (kind !== "end") changed();
    }).catch((err) => put(words, h("span", { class: "bad" }, problem(err))));
  }
  for (let next = summary.next; next;) {
    const page = await get(`/cohorts/${id}?limit=1000&offset=${next}`, signal);
    page.slides.forEach(take);
    next = page.next;
    changed();
  }
}
