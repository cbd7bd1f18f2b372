// What the model said of the patch under the pointer, or in the middle of the view
// when the keyboard moves it.

import { h, put } from "../../lib/dom.js";
import { prob } from "../../lib/format.js";

// probe reads patches.csv and keeps reading filled. It returns { centre() }.
export function probe(OSD, osd, csv, reading, name) {
  const find = patches(csv);
  let pointed = false;

  function show(at, where) {
    const image = osd.world.getItemAt(0);
    if (!image) return;
    const p = image.viewerElementToImageCoordinates(at);
    const hit = find(p.x, p.y);
    put(reading, hit
      ? [h("strong", {}, prob(hit.p)), ` ${name}, ${where} (patch at ${hit.x}, ${hit.y}; ${hit.w} × ${hit.h} px)`]
      : h("span", { class: "soft" }, `No patch ${where}: no tissue was found there.`));
  }

  const centre = () => show(new OSD.Point(osd.canvas.clientWidth / 2, osd.canvas.clientHeight / 2), "in the middle of the view");
  new OSD.MouseTracker({
    element: osd.canvas.parentNode,
    moveHandler: (e) => { pointed = true; show(e.position, "under the pointer"); },
    leaveHandler: () => { pointed = false; },
  });
  osd.addHandler("canvas-key", () => { pointed = false; });
  osd.addHandler("animation-finish", () => { if (!pointed) centre(); });
  return { centre() { pointed = false; } };
}

// patches returns a function that finds the patch whose middle is nearest to a point
// of those that cover it. Patches lie in cells of a grid as wide as the widest.
export function patches(csv) {
  const all = csv.trimEnd().split("\n").slice(1).map((line) => {
    const [x, y, w, hh, p] = line.split(",").map(Number);
    return { x, y, w, h: hh, p };
  });
  const side = Math.max(1, all.reduce((m, q) => Math.max(m, q.w, q.h), 0));
  const cells = new Map();
  for (const q of all) {
    for (let cx = Math.floor(q.x / side); cx <= Math.floor((q.x + q.w - 1) / side); cx++) {
      for (let cy = Math.floor(q.y / side); cy <= Math.floor((q.y + q.h - 1) / side); cy++) {
        const key = cx + "," + cy;
        if (cells.has(key)) cells.get(key).push(q);
        else cells.set(key, [q]);
      }
    }
  }
  return (x, y) => {
    let best = null, least = Infinity;
    for (const q of cells.get(Math.floor(x / side) + "," + Math.floor(y / side)) ?? []) {
      if (x < q.x || y < q.y || x >= q.x + q.w || y >= q.y + q.h) continue;
      const d = (x - q.x - q.w / 2) ** 2 + (y - q.y - q.h / 2) ** 2;
      if (d < least) [best, least] = [q, d];
    }
    return best;
  };
}
