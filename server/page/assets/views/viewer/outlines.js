// Outlines of lesions on a canvas over the slide, in level-0 pixels.

import { h } from "../../lib/dom.js";

// outlines draws the features of a GeoJSON collection with each move of the viewer.
// It returns { show(bool), choose(index) }.
export function outlines(OSD, osd, collection) {
  const canvas = h("canvas", { class: "outlines", "aria-hidden": "true" });
  osd.canvas.append(canvas);
  const shapes = collection.features.map(({ geometry: g }) => {
    const rings = (g.type === "Polygon" ? [g.coordinates] : g.coordinates).flat();
    const xs = rings.flat().map((p) => p[0]), ys = rings.flat().map((p) => p[1]);
    return { rings, left: least(xs), top: least(ys), right: -least(xs.map((v) => -v)), bottom: -least(ys.map((v) => -v)) };
  });
  let visible = true, chosen = -1;

  function draw() {
    const image = osd.world.getItemAt(0);
    if (!image) return;
    const ratio = window.devicePixelRatio || 1, w = osd.canvas.clientWidth, hh = osd.canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(hh * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(hh * ratio);
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    if (!visible) return;
    // The viewer is neither turned nor flipped: two points give the whole map.
    const a = image.imageToViewerElementCoordinates(new OSD.Point(0, 0));
    const b = image.imageToViewerElementCoordinates(new OSD.Point(1000, 1000));
    const k = (b.x - a.x) / 1000;
    shapes.forEach((s, i) => {
      if (a.x + k * s.right < 0 || a.y + k * s.bottom < 0 || a.x + k * s.left > w || a.y + k * s.top > hh) return;
      ctx.beginPath();
      for (const ring of s.rings) {
        ring.forEach(([x, y], n) => ctx[n ? "lineTo" : "moveTo"](ratio * (a.x + k * x), ratio * (a.y + k * y)));
        ctx.closePath();
      }
      // Dark on light, so that it is seen on pale stroma and on dark nuclei.
      const wide = ratio * (i === chosen ? 4 : 2);
      ctx.lineJoin = "round";
      for (const [style, width] of [["#fff", wide + 2 * ratio], [i === chosen ? "#0033aa" : "#111", wide]]) {
        ctx.strokeStyle = style;
        ctx.lineWidth = width;
        ctx.stroke();
      }
    });
  }
  osd.addHandler("update-viewport", draw);
  osd.addHandler("resize", draw);
  return {
    show(on) { visible = on; draw(); },
    choose(i) { chosen = i; draw(); },
  };
}

function least(values) {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}
