// The slides of a cohort that came to no result: which, why, what to do.

import { h, put } from "../../lib/dom.js";
import { get, post, problem } from "../../lib/api.js";
import { plural } from "../../lib/format.js";
import { say } from "../../lib/say.js";

export const lost = (s) => s.state === "failed" || s.state === "quarantined";

const listed = 50; // of each kind

// What to do about them. A failed slide says so itself, in its reason.
export const advice = {
  quarantined: "It ended what read it, or used up its attempts. Look at the file; try it again when the cause is mended.",
};

// broken says in plain words what the reader of slides says in its own.
export const broken = (code) => (code === 422 ? "the file is damaged: " : "");

// reason is why a slide came to no result and what to do.
export function reason({ error }) {
  if (!error) return "no reason given";
  return broken(error.code) + error.message + (error.details ? ` (${error.details})` : "");
}

// lostList returns { node, update(counts), heard(slide) }: those of one cohort, asked for
// when the counts tell of more than are known.
export function lostList(id, signal) {
  const known = new Map(); // by slide
  const node = h("div");
  let asked = 0; // when the server was last asked for them

  async function update(n) {
    const want = n.failed + n.quarantined;
    if (want <= known.size || Date.now() - asked < 5000) return; // asked again with the news after
    asked = Date.now();
    try {
      for (let next = 0; next !== null && known.size < want;) {
        const page = await get(`/cohorts/${id}?limit=1000&offset=${next}`, signal);
        for (const s of page.slides) if (lost(s)) known.set(s.id, s);
        next = page.next ?? null;
      }
      show();
    } catch {} // the next news ask again
  }

  function show() {
    const all = [...known.values()], open = node.querySelector("details")?.open ?? all.length <= 5;
    put(node, ["quarantined", "failed"].map((state) => {
      const these = all.filter((s) => s.state === state);
      return these.length > 0 && h("details", { open, class: state }, h("summary", {}, `${plural(these.length, "slide")} ${state}`),
        advice[state] && h("p", { class: "soft" }, advice[state]),
        h("ul", { class: "failures" }, these.slice(0, listed).map((s) => h("li", {}, h("strong", { class: "break" }, s.name), ": ", reason(s)))),
        these.length > listed && h("p", {}, h("a", { href: `#/cohorts/${id}` }, "All of them")));
    }));
  }

  function heard(s) {
    if (!lost(s)) return;
    known.set(s.id, s);
    show();
  }

  return { node, update, heard };
}

// retryButton tries them again in a new cohort, which took is given.
export function retryButton(title, id, signal, took) {
  const said = h("span", { class: "bad", role: "status" });
  const button = h("button", { type: "button", class: "quiet", "aria-label": `Try again what failed of ${title}`, on: { click: again } }, "Try again");
  const node = h("span", { hidden: true }, said, button);

  async function again() {
    button.disabled = true;
    put(said);
    try {
      took(await post(`/cohorts/${id}/retry`, {}, signal));
      say("tried again in a new cohort");
    } catch (err) {
      put(said, problem(err), " ");
    }
    button.disabled = false;
  }

  return { node, update: (n) => { node.hidden = n.failed + n.quarantined === 0; } };
}
