// The cohorts, newest first, each as it stands now.

import { h, put } from "../../lib/dom.js";
import { get, problem } from "../../lib/api.js";
import { follow } from "../../lib/events.js";
import { card, over } from "./card.js";

const streams = 2;  // over HTTP/1.1 a browser opens six connections to a server; uploads want some
const shown = 50;

export default function cohortList(signal) {
  const cards = new Map(); // by id
  const followed = new Set();
  const list = h("div", { class: "cohorts" });
  const note = h("p", { class: "soft" }, "…");
  const node = h("section", { "aria-labelledby": "cohorts-head" }, h("h2", { id: "cohorts-head" }, "Cohorts"), note, list);

  function add(summary) {
    take(summary);
    order();
    watch();
  }

  function take(summary) {
    if (cards.has(summary.id)) cards.get(summary.id).update(summary);
    else cards.set(summary.id, card(summary, signal, add));
  }

  function order() {
    const sorted = [...cards.values()].toSorted((a, b) => (b.summary().submitted ?? "").localeCompare(a.summary().submitted ?? ""));
    const nodes = sorted.slice(0, shown).map((c) => c.node);
    if (nodes.length !== list.children.length || nodes.some((n, i) => n !== list.children[i])) put(list, nodes);
    const more = sorted.length - nodes.length;
    put(note, sorted.length === 0 ? "Nothing yet. Slides put in above are shown here until they are done, and after."
      : more > 0 && `The newest ${shown} of ${sorted.length}; bcc status lists the others.`);
    note.hidden = sorted.length > 0 && more <= 0;
  }

  // watch opens streams for the newest cohorts that are not over.
  function watch() {
    for (const [id, c] of cards) {
      if (followed.size >= streams) return;
      if (followed.has(id) || over(c.summary())) continue;
      followed.add(id);
      follow(`/cohorts/${id}/events`, signal, c.heard).catch(() => {}).finally(() => { followed.delete(id); });
    }
  }

  async function poll() {
    while (!signal.aborted) {
      if (!document.hidden) {
        try {
          const { cohorts } = await get("/cohorts", signal);
          for (const id of cards.keys()) if (!cohorts.some((c) => c.id === id)) cards.delete(id);
          for (const c of cohorts) if (!followed.has(c.id)) take(c);
          order();
          watch();
        } catch (err) {
          if (signal.aborted) return;
          note.hidden = false;
          put(note, h("span", { class: "bad" }, problem(err)));
        }
      }
      const busy = [...cards.values()].some((c) => !over(c.summary()));
      await new Promise((resolve) => setTimeout(resolve, busy ? 3000 : 8000));
    }
  }
  poll();

  return { node, add };
}
