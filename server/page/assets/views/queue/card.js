// One cohort in the list: how far, how long still, what failed and why.

import { h, put, question } from "../../lib/dom.js";
import { ask, get, problem } from "../../lib/api.js";
import { count, plural, span, when } from "../../lib/format.js";
import { say, sayProgress } from "../../lib/say.js";

// card returns { node, update(summary), heard(kind, data), summary() } of a cohort.
export function card(first, signal, took) {
  let now = first;
  const failed = new Map(); // reasons by slide, as far as known
  let asked = 0; // when the server was last asked for them
  const head = h("h3", {}, h("a", { href: `#/cohorts/${first.id}` }, title(first)));
  const facts = h("p", { class: "soft facts" });
  const bar = progressBar();
  const words = h("p", { class: "progress-words" });
  const failures = h("div");
  const cancel = h("button", { type: "button", class: "quiet", "aria-label": `Cancel ${title(first)}`, on: { click: stop } }, "Cancel");
  const node = h("article", { class: "panel cohort" }, h("div", { class: "row" }, head, h("span", { class: "grow" }), cancel), facts, bar.node, words, failures);

  function update(summary) {
    const before = now.state;
    now = summary;
    const n = summary.counts;
    put(facts, [summary.priority === "urgent" && h("span", { class: "tag urgent" }, "urgent"), plural(n.submitted, "slide"), `submitted ${when(summary.submitted)}`,
      summary.deadline && `wanted by ${when(summary.deadline)}`].filter(Boolean).flatMap((p, i) => (i ? [" · ", p] : [p])));
    bar.update(summary);
    put(words, progressWords(summary));
    cancel.hidden = over(summary);
    if (n.failed > failed.size) askFailures();
    if (summary.state === "running") sayProgress(`${title(summary)}: ${n.done + n.failed} of ${n.submitted} slides done`);
    if (before !== summary.state && summary.state === "done") say(`${title(summary)} is done` + (n.failed ? `, ${plural(n.failed, "slide")} failed` : ""));
  }

  // heard takes an event of the cohort's stream.
  function heard(kind, data) {
    if (kind === "cohort") update(data);
    if (kind === "slide" && data.state === "failed") {
      failed.set(data.id, data);
      listFailures();
    }
  }

  // askFailures reads the reasons of those that failed before anybody listened.
  async function askFailures() {
    if (Date.now() - asked < 5000) return; // asked again with the news after
    asked = Date.now();
    try {
      for (let next = 0; next !== null && failed.size < now.counts.failed;) {
        const page = await get(`/cohorts/${first.id}?limit=1000&offset=${next}`, signal);
        for (const s of page.slides) if (s.state === "failed") failed.set(s.id, s);
        next = page.next ?? null;
      }
      listFailures();
    } catch {} // the next news ask again
  }

  function listFailures() {
    const bad = [...failed.values()], open = failures.querySelector("details")?.open ?? bad.length <= 5;
    put(failures, h("details", { open }, h("summary", {}, `${plural(bad.length, "slide")} failed`),
      h("ul", { class: "failures" }, bad.slice(0, 50).map((s) => h("li", {}, h("strong", { class: "break" }, s.name), ": ", reason(s)))),
      bad.length > 50 && h("p", {}, h("a", { href: `#/cohorts/${first.id}` }, "All of them"))));
  }

  async function stop() {
    const open = now.counts.pending + now.counts.running;
    if (!(await question(`Cancel ${title(now)}? ${plural(open, "slide")} will not be looked at; what is done stays.`, "Cancel the cohort", "Go on"))) return;
    try {
      await ask(`/cohorts/${first.id}`, { method: "DELETE", signal });
      took(await get(`/cohorts/${first.id}?limit=1`, signal));
      say("cancelled");
    } catch (err) {
      put(words, h("span", { class: "bad" }, problem(err)));
    }
  }

  update(first);
  return { node, update, heard, summary: () => now };
}

// broken says in plain words what the reader of slides says in its own.
export const broken = (code) => (code === 422 ? "the file is damaged: " : "");

export const over = (summary) => summary.state === "done" || summary.state === "cancelled";

export const title = (summary) => summary.name || `Cohort of ${when(summary.submitted)}`;

// reason is why a slide failed and what to do.
export function reason({ error }) {
  if (!error) return "no reason given";
  return broken(error.code) + error.message + (error.details ? ` (${error.details})` : "");
}

// progressBar shows shares of slides, those running by their patches.
export function progressBar() {
  const parts = { done: h("i", { class: "done" }), failed: h("i", { class: "failed" }) };
  const node = h("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "looked at" }, parts.done, parts.failed);
  return {
    node,
    update({ counts: n, patches, state }) {
      // Slides that are not begun count as many patches as the mean of the others.
      const begun = n.submitted - n.pending;
      const total = patches.planned + n.pending * (begun ? patches.planned / begun : 0);
      const lost = (n.failed + n.cancelled) / Math.max(1, n.submitted);
      const share = 100 * (1 - lost) * (over({ state }) || !total ? n.done / Math.max(1, n.submitted - n.failed - n.cancelled) : Math.min(1, patches.done / total));
      parts.done.style.width = share + "%";
      parts.failed.style.width = 100 * lost + "%";
      node.setAttribute("aria-valuenow", Math.round(share));
      node.setAttribute("aria-valuetext", `${n.done} of ${n.submitted} slides done` + (n.failed ? `, ${n.failed} failed` : "") + (state === "running" ? "" : `, ${state}`));
    },
  };
}

export function progressWords(summary) {
  const n = summary.counts, f = summary.forecast;
  const parts = [h("strong", {}, `${count(n.done)} done`)];
  if (n.failed) parts.push(h("strong", { class: "bad" }, `${count(n.failed)} failed`));
  if (n.running) parts.push(`${count(n.running)} running`);
  if (n.pending) parts.push(`${count(n.pending)} waiting`);
  if (n.cancelled) parts.push(`${count(n.cancelled)} cancelled`);
  if (f && !over(summary)) parts.push(`about ${span(f.remaining_s)} left (${span(f.low_s)} to ${span(f.high_s)})`);
  if (summary.cost?.usd !== null && summary.cost?.usd !== undefined) parts.push(`$${summary.cost.usd.toFixed(2)}`);
  if (n.submitted === 1 && n.done === 1) parts.push(h("a", { href: `#/slides/${summary.id}-0` }, "Open the slide"));
  for (const d of summary.degraded ?? []) parts.push(h("span", { class: "tag open" }, d));
  return parts.flatMap((p, i) => (i ? [" · ", p] : [p]));
}
