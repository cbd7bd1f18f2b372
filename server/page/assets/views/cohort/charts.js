// Histogram of the scores and ROC, with a threshold that the person may move.

import { field, h, id, put, s, text } from "../../lib/dom.js";
import { fixed, plural, prob } from "../../lib/format.js";
import { at, auroc, histogram, roc, wilson } from "../../lib/stats.js";

const W = 420, H = 230, left = 44, right = 12, top = 12, bottom = 40;
const px = (x) => left + x * (W - left - right);
const py = (y) => H - bottom - y * (H - top - bottom);

// charts returns { node, show(slides) }. point is the model's operating point; without
// one 0.5 stands there and is called so.
export function charts(point) {
  const own = point ?? 0.5;
  let scored = [];
  const slider = h("input", { type: "range", min: 0, max: 1, step: 0.01, value: String(own), on: { input: draw } });
  const value = h("output", {});
  const reset = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => { slider.value = String(own); moved = false; draw(); } } }, "Back to the operating point");
  slider.addEventListener("input", () => { moved = true; });
  let moved = false;
  const bars = figure("Scores"), curve = figure("ROC");
  const figures = h("dl", { class: "figures" });
  const node = h("section", { class: "charts", "aria-label": "Scores of the cohort", hidden: true },
    h("div", { class: "row fields threshold" }, field("Called BCC from a score of", slider), value, reset),
    figures, h("div", { class: "chart-row" }, bars.node, curve.node));

  // The slider's steps are coarser than the operating point.
  const threshold = () => (moved ? Number(slider.value) : own);

  function draw() {
    const t = threshold();
    reset.hidden = !moved;
    text(value, moved ? prob(t) : `${prob(t)} (${point === undefined ? "no operating point known" : "operating point"})`);
    const labelled = scored.filter((x) => x.label === 0 || x.label === 1);
    const points = roc(labelled);
    drawBars(bars, scored, labelled.length > 0, t);
    curve.node.hidden = !points;
    if (points) drawCurve(curve, points, labelled, t);
    const c = at(labelled, t), all = at(scored, t);
    const share = (k, n) => `${fixed(k / n, 2)} (${wilson(k, n).map((v) => fixed(v, 2)).join("–")})`;
    put(figures, [
      ["Called BCC", `${all.called} of ${scored.length}`],
      c.hits + c.misses > 0 && ["Sensitivity (95 %)", share(c.hits, c.hits + c.misses)],
      c.alarms + c.rests > 0 && ["Specificity (95 %)", share(c.rests, c.alarms + c.rests)],
      points && ["AUROC", fixed(auroc(points), 3)],
      points && ["Labelled", `${c.hits + c.misses} BCC, ${c.alarms + c.rests} not`],
    ].filter(Boolean).map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v))));
  }

  return {
    node,
    show(slides) {
      scored = slides.filter((x) => x.state === "done");
      node.hidden = scored.length < 2;
      if (!node.hidden) draw();
    },
  };
}

function figure(name) {
  const caption = h("figcaption", { id: id("chart") }, name);
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-labelledby": caption.id });
  return { node: h("figure", {}, svg, caption), svg, caption };
}

function axes(xName, yName, yMax, yStep) {
  const parts = [s("path", { class: "axis", d: `M${left} ${top}V${H - bottom}H${W - right}` })];
  for (const v of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(s("text", { x: px(v), y: H - bottom + 15, "text-anchor": "middle" }, String(v)));
  }
  for (let v = 0; v <= yMax + 1e-9; v += yStep) {
    const y = py(v / yMax);
    parts.push(s("path", { class: "grid", d: `M${left} ${y}H${W - right}` }), s("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, String(Number(v.toFixed(2)))));
  }
  parts.push(s("text", { x: px(0.5), y: H - 6, "text-anchor": "middle", class: "name" }, xName),
    s("text", { x: 12, y: py(0.5), "text-anchor": "middle", class: "name", transform: `rotate(-90 12 ${py(0.5)})` }, yName));
  return parts;
}

function drawBars({ svg, caption }, scored, labelled, t) {
  const bins = 20;
  const groups = labelled ? [["BCC", "yes", 1], ["not BCC", "no", 0], ["no label", "none", null]] : [["all", "none", undefined]];
  const counted = groups.map(([, , label]) => histogram(scored.filter((x) => label === undefined || (label === null ? x.label !== 0 && x.label !== 1 : x.label === label)).map((x) => x.score), bins));
  const sums = counted[0].map((_, i) => counted.reduce((n, g) => n + g[i], 0));
  const most = Math.max(1, ...sums), step = niceStep(most), yMax = Math.ceil(most / step) * step;
  const parts = axes("score", "slides", yMax, step);
  const base = new Array(bins).fill(0);
  counted.forEach((g, k) => g.forEach((n, i) => {
    if (!n) return;
    const y = py((base[i] + n) / yMax);
    parts.push(s("rect", { class: "bin " + groups[k][1], x: px(i / bins) + 1, width: px(1 / bins) - px(0) - 2, y, height: py(base[i] / yMax) - y }, s("title", {}, `${groups[k][0]}: ${n} from ${fixed(i / bins, 2)} to ${fixed((i + 1) / bins, 2)}`)));
    base[i] += n;
  }));
  parts.push(s("path", { class: "mark", d: `M${px(t)} ${top}V${H - bottom}` }), s("text", { class: "mark-name", x: px(t) + (t > 0.8 ? -5 : 5), y: top + 10, "text-anchor": t > 0.8 ? "end" : "start" }, `from ${prob(t)}`));
  put(svg, parts);
  put(caption, `Scores of ${plural(scored.length, "slide")}; the line is the threshold.`,
    labelled && groups.map(([name, kind], k) => counted[k].some(Boolean) && [" ", h("span", { class: "keyed" }, h("span", { class: "key " + kind }), name)]));
}

function drawCurve({ svg, caption }, points, labelled, t) {
  const c = at(labelled, t);
  const x = c.alarms / (c.alarms + c.rests), y = c.hits / (c.hits + c.misses);
  put(svg, axes("1 − specificity", "sensitivity", 1, 0.25),
    s("path", { class: "chance", d: `M${px(0)} ${py(0)}L${px(1)} ${py(1)}` }),
    s("path", { class: "curve", d: "M" + points.map((p) => `${px(p.x)} ${py(p.y)}`).join("L") }),
    s("circle", { class: "mark-point", cx: px(x), cy: py(y), r: 6 }));
  put(caption, `ROC, area ${fixed(auroc(points), 3)}. The dot is the threshold: sensitivity ${fixed(y, 2)}, specificity ${fixed(1 - x, 2)}.`);
}

// niceStep divides an axis of counts into at most five.
function niceStep(most) {
  for (let unit = 1; ; unit *= 10) for (const f of [1, 2, 5]) if (most / (unit * f) <= 5) return unit * f;
}
