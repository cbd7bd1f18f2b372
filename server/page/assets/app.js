// The page: picks the view for the address and clears away the one before.

import { h, put } from "./lib/dom.js";
import { modelInfo, problem } from "./lib/api.js";
import { kept, offer } from "./lib/key.js";
import { synthetic } from "./views/card.js";
import about from "./views/about.js";
import cohort from "./views/cohort/cohort.js";
import machine from "./views/machine.js";
import queue from "./views/queue/queue.js";
import viewer from "./views/viewer/viewer.js";

// A view fills an element and stops all it does when its signal aborts.
const routes = [
  [/^$/, queue, "Slides"],
  [/^cohorts\/([\w-]+)$/, cohort, "Cohort"],
  [/^slides\/([\w-]+)$/, viewer, "Slide"],
  [/^machine$/, machine, "Machine"],
  [/^about$/, about, "About"],
];

const main = document.getElementById("main");
let leave = new AbortController();

async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const path = location.hash.replace(/^#?\/?/, "");
  const route = routes.find(([pattern]) => pattern.test(path));
  document.title = (route ? route[2] : "Not found") + " · bcc";
  for (const a of document.querySelectorAll("nav a")) {
    const here = a.hash.replace(/^#\//, "") === path;
    if (here) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  const place = h("div", { class: "view" });
  put(main, place);
  window.scrollTo(0, 0);
  if (!route) {
    put(place, h("h1", {}, "Not found"), h("p", {}, h("a", { href: "#/" }, "All slides")));
    return;
  }
  try {
    await route[1](place, signal, ...route[0].exec(path).slice(1));
  } catch (err) {
    if (!signal.aborted) put(place, h("h1", {}, route[2]), h("p", { class: "bad", role: "alert" }, problem(err)), h("p", {}, h("a", { href: "#/" }, "All slides")));
  }
}

window.addEventListener("hashchange", async () => {
  await show();
  main.focus({ preventScroll: true }); // a keyboard goes on from the new view
});

document.querySelector(".skip").addEventListener("click", (e) => {
  e.preventDefault(); // the address says which view it is
  main.focus();
});

show();
if (kept()) offer();

// What the model has learned from belongs beside the warning, on every view.
modelInfo().then((info) => {
  if (synthetic(info.card)) document.getElementById("notice").append(` ${info.model_name} was trained on synthetic slides.`);
}).catch(() => {}); // the view says what is wrong
