// The colours of the heat map, as the server paints them: report/colour.go. They run
// in lightness, so that their order survives colour blindness and print.

import { h } from "../../lib/dom.js";

// Lightness, chroma and hue (degrees) in OKLCH at 0, ¼, ½, ¾ and 1.
const anchors = [[0.96, 0.07, 100], [0.83, 0.14, 75], [0.67, 0.18, 45], [0.50, 0.19, 10], [0.30, 0.14, 305]];

export function legend(name) {
  const stops = anchors.map(([l, c, hue]) => `oklch(${l} ${c} ${hue})`).join(", ");
  return h("div", { class: "legend" }, h("span", {}, "0"), h("span", { class: "colours", role: "img", "aria-label": `colours of the heat map: ${name}, pale 0 to dark 1`, style: { background: `linear-gradient(in oklab to right, ${stops})` } }), h("span", {}, "1 "), h("span", { class: "soft" }, name));
}
