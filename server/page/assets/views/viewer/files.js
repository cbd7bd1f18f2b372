// The files of a result, fetched with the key and saved.

import { h, put, save } from "../../lib/dom.js";
import { ask, problem } from "../../lib/api.js";
import { say } from "../../lib/say.js";

const words = {
  result: ["result.json", "the answer"],
  lesions: ["lesions.geojson", "outlines, for QuPath"],
  patches: ["patches.csv", "every patch"],
  heatmap: ["heatmap.png", "picture"],
  report: ["report.html", "report on one page"],
  timing: ["timing.json", "how long each step took"],
};

export function fileList(slide, signal) {
  const said = h("p", { role: "status" });
  const stem = slide.name.replace(/\.[a-z0-9]+$/i, "").replace(/[^\w.-]+/g, "-");
  const rows = Object.entries(words).filter(([kind]) => slide.files?.[kind]).map(([kind, [name, use]]) => {
    const path = slide.files[kind];
    const button = h("button", { type: "button", class: "file", on: { click: async () => {
      button.disabled = true;
      put(said);
      try {
        save(await (await ask(path, { signal })).blob(), `${stem}-${name}`);
        say(`${name} saved`);
      } catch (err) {
        put(said, h("span", { class: "bad" }, problem(err)));
      }
      button.disabled = false;
    } } }, h("strong", {}, name), h("span", { class: "soft" }, use));
    return h("li", {}, button);
  });
  return h("section", { class: "panel", "aria-labelledby": "files-head" }, h("h2", { id: "files-head" }, "Files"), h("ul", { class: "files" }, rows), said);
}
