// The list of lesions; each flies to its place.

import { h } from "../../lib/dom.js";
import { fixed, plural, prob } from "../../lib/format.js";
import { say } from "../../lib/say.js";

export function lesionList(collection, result, view) {
  const attention = result.model.heat_map === "attention";
  const rows = collection.features.map((f, i) => {
    const m = f.properties.measurements ?? {};
    const name = f.properties.name || `Lesion ${i + 1}`;
    const bounds = result.lesions[i]?.bounds_px ?? boundsOf(f.geometry);
    const go = h("button", { type: "button", class: "lesion", "aria-pressed": "false", on: { click: () => {
      for (const r of rows) r.setAttribute("aria-pressed", String(r === go));
      view.choose(i);
      view.fly(bounds);
      say(`${name} is shown`);
    } } }, h("strong", {}, name), h("span", {}, `${attention ? "attention" : "score"} ${prob(m.Score)}`), h("span", { class: "soft" }, `${fixed(m["Area mm^2"], 2)} mm²`));
    return go;
  });
  return h("section", { class: "panel", "aria-labelledby": "lesions-head" },
    h("h2", { id: "lesions-head" }, rows.length ? plural(rows.length, attention ? "region" : "lesion") : "No lesions"),
    rows.length ? h("ol", { class: "lesions" }, rows.map((r) => h("li", {}, r)))
      : h("p", { class: "soft" }, `No region of at least ${result.parameters.min_lesion_mm2} mm² lies at ${prob(result.parameters.lesion_threshold)} or above. A smaller or paler one may still be there.`));
}

function boundsOf(geometry) {
  const points = (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates).flat(2);
  const [x0, y0, x1, y1] = points.reduce(([a, b, c, d], [x, y]) => [Math.min(a, x), Math.min(b, y), Math.max(c, x), Math.max(d, y)], [Infinity, Infinity, -Infinity, -Infinity]);
  return [x0, y0, x1 - x0, y1 - y0];
}
