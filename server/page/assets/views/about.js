// What this is, its model's card, whose work it stands on.

import { h, put } from "../lib/dom.js";
import { get, modelInfo, problem } from "../lib/api.js";
import { modelCard } from "./card.js";

const others = [
  ["OpenSeadragon", "6.1.0", "BSD-3-Clause", "openseadragon.LICENSE.txt", "shows slides"],
  ["uPlot", "1.6.32", "MIT", "uPlot.LICENSE.txt", "draws the charts of the machine"],
];

export default async function about(place, signal) {
  const version = h("p", { class: "soft" });
  const card = h("div", {}, "…");
  place.append(
    h("h1", {}, "About"),
    h("p", {}, "bcc looks for basal cell carcinoma on whole-slide images: it cuts a slide into patches, asks a network about each, and draws what it answered. ",
      "Slides stay on this server."),
    version,
    h("section", { "aria-labelledby": "card-head" }, h("h2", { id: "card-head" }, "The model’s card"), card),
    h("section", { "aria-labelledby": "others-head" }, h("h2", { id: "others-head" }, "Work of others in this page"),
      others.map(([name, v, licence, file, use]) => licenceOf(name, v, licence, file, use, signal))),
    h("p", {}, h("a", { href: "/openapi.json" }, "Description of the API (OpenAPI)")));
  get("/health", signal).then((v) => { version.textContent = `Version ${v.version}`; }).catch(() => {});
  try {
    put(card, modelCard(await modelInfo()));
  } catch (err) {
    put(card, h("p", { class: "bad" }, problem(err)));
  }
}

function licenceOf(name, version, licence, file, use, signal) {
  const words = h("pre", { class: "licence", tabindex: "0", "aria-label": `Licence of ${name}` });
  const box = h("details", {}, h("summary", {}, `${name} ${version} (${licence}): ${use}`), words);
  box.addEventListener("toggle", async () => {
    if (!box.open || words.textContent) return;
    const answer = await fetch("/assets/thirdparty/" + file, { signal }).catch(() => null);
    words.textContent = answer?.ok ? await answer.text() : `This program was built without ${name}: run make setup, then make build.`;
  });
  return box;
}
