// One cohort in the list: how far, how long still, what failed and why.

import { h, put, question } from "../../lib/dom.js";
import { ask, get, problem } from "../../lib/api.js";
import { count, dollars, plural, span, when } from "../../lib/format.js";
import { say, sayProgress } from "../../lib/say.js";
import { lostList, retryButton } from "./lost.js";

// card returns { node, update(summary), heard(kind, data), summary() } of a cohort.
export function card(first, signal, took) {
  let now = first;
  const head = h("h3", {}, h("a", { href: `#/cohorts/${first.id}` }, title(first)));
  const facts = h("p", { class: "soft facts" });
  const bar = progressBar();
  const words = h("p", { class: "progress-words" });
  const losses = lostList(first.id, signal), retry = retryButton(title(first), first.id, signal, took);
  const cancel = h("button", { type: "button", class: "quiet", "aria-label": `Cancel ${title(first)}`, on: { click: stop } }, "Cancel");
  const node = h("article", { class: "panel cohort" }, h("div", { class: "row" }, head, h("span", { class: "grow" }), cancel, retry.node), facts, bar.node, words, losses.node);

  function update(summary) {
    const before = now.state;
    now = summary;
    const n = summary.counts;
    put(facts, [summary.priority === "urgent" && h("span", { class: "tag urgent" }, "urgent"), plural(n.submitted, "slide"), `submitted ${when(summary.submitted)}`,
      summary.deadline && `wanted by ${when(summary.deadline)}`, summary.retry_of && h("a", { href: `#/cohorts/${summary.retry_of}` }, "slides of another, tried again")].filter(Boolean).flatMap((p, i) => (i ? [" · ", p] : [p])));
    bar.update(summary);
    put(words, progressWords(summary));
    cancel.hidden = over(summary);
    losses.update(n);
    retry.update(n);
    if (summary.state === "running") sayProgress(`${title(summary)}: ${n.submitted - n.pending - n.running} of ${n.submitted} slides done`);
    if (before !== summary.state && summary.state === "done") say(`${title(summary)} is done` + lostWords(n));
  }

  // heard takes an event of the cohort's stream.
  function heard(kind, data) {
    if (kind === "cohort") update(data);
    if (kind === "slide") losses.heard(data);
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

export const over = (summary) => summary.state === "done" || summary.state === "cancelled";

export const title = (summary) => summary.name || `Cohort of ${when(summary.submitted)}`;

// progressBar shows shares of slides, those running by their patches.
export function progressBar() {
  const parts = { done: h("i", { class: "done" }), quarantined: h("i", { class: "quarantined" }), failed: h("i", { class: "failed" }) };
  const node = h("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "looked at" }, parts.done, parts.quarantined, parts.failed);
  return {
    node,
    update({ counts: n, patches, state }) {
      // Slides that are not begun count as many patches as the mean of the others.
      const begun = n.submitted - n.pending;
      const total = patches.planned + n.pending * (begun ? patches.planned / begun : 0);
      const apart = n.quarantined / Math.max(1, n.submitted), lost = (n.failed + n.cancelled) / Math.max(1, n.submitted);
      const share = 100 * (1 - lost - apart) * (over({ state }) || !total ? n.done / Math.max(1, n.submitted - n.failed - n.quarantined - n.cancelled) : Math.min(1, patches.done / total));
      parts.done.style.width = share + "%";
      parts.quarantined.style.width = 100 * apart + "%";
      parts.failed.style.width = 100 * lost + "%";
      node.setAttribute("aria-valuenow", Math.round(share));
      node.setAttribute("aria-valuetext", `${n.done} of ${n.submitted} slides done` + lostWords(n) + (state === "running" ? "" : `, ${state}`));
    },
  };
}

// lostWords counts the slides without a result, for a sentence.
const lostWords = (n) => (n.failed ? `, ${count(n.failed)} failed` : "") + (n.quarantined ? `, ${count(n.quarantined)} quarantined` : "");

export function progressWords(summary) {
  const n = summary.counts, f = summary.forecast;
  const parts = [h("strong", {}, `${count(n.done)} done`)];
  if (n.failed) parts.push(h("strong", { class: "bad" }, `${count(n.failed)} failed`));
  if (n.quarantined) parts.push(h("strong", { class: "apart" }, `${count(n.quarantined)} quarantined`));
  if (n.running) parts.push(`${count(n.running)} running`);
  if (n.pending) parts.push(`${count(n.pending)} waiting`);
  if (n.cancelled) parts.push(`${count(n.cancelled)} cancelled`);
  if (f && !over(summary)) parts.push(`about ${span(f.remaining_s)} left (${span(f.low_s)} to ${span(f.high_s)})`);
  if (summary.cost?.usd !== null && summary.cost?.usd !== undefined) parts.push(dollars(summary.cost.usd));
  if (n.submitted === 1 && n.done === 1) parts.push(h("a", { href: `#/slides/${summary.id}-0` }, "Open the slide"));
  for (const d of summary.degraded ?? []) parts.push(h("span", { class: "tag open" }, d));
  return parts.flatMap((p, i) => (i ? [" · ", p] : [p]));
}
