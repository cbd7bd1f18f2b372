// The scale bar in the corner of the picture.

import { h, text } from "../../lib/dom.js";
import { length } from "../../lib/format.js";

// scaleBar keeps a bar of a round length under 160 pixels. Without a scale there is none.
export function scaleBar(osd, frame, mpp) {
  if (!mpp) return;
  const words = h("span", {});
  const bar = h("div", { class: "scalebar", role: "img" }, words);
  frame.append(bar);
  function draw() {
    const image = osd.world.getItemAt(0);
    if (!image) return;
    const umPerPixel = mpp / image.viewportToImageZoom(osd.viewport.getZoom(true));
    const um = round(160 * umPerPixel);
    bar.style.width = um / umPerPixel + "px";
    text(words, length(um));
    bar.setAttribute("aria-label", `Scale bar: ${length(um)}`);
  }
  osd.addHandler("update-viewport", draw);
}

// round is the largest of 1, 2, 5 × 10ⁿ that is not above v.
export function round(v) {
  const unit = 10 ** Math.floor(Math.log10(v));
  return [5, 2, 1].map((f) => Number((f * unit).toPrecision(1))).find((u) => u <= v * (1 + 1e-9));
}
