// Labels for a cohort that came without: a CSV with the slides' names and labels.

import { h, put } from "../../lib/dom.js";
import { parse } from "../../lib/csv.js";
import { plural } from "../../lib/format.js";
import { say } from "../../lib/say.js";

// labelDrop sets labels in slides (a Map by id) and calls changed.
export function labelDrop(slides, changed) {
  const input = h("input", { type: "file", accept: ".csv,text/csv", hidden: true, id: "labels", on: { change: (e) => { read(e.target.files[0]); e.target.value = ""; } } });
  const said = h("p", { role: "status" });
  const words = h("p", { class: "soft" });
  const node = h("section", { class: "labels", "aria-label": "Labels", on: {
    dragover: (e) => e.preventDefault(),
    drop: (e) => { e.preventDefault(); read(e.dataTransfer.files[0]); },
  } },
  h("div", { class: "row" }, words, h("button", { type: "button", on: { click: () => input.click() } }, "Choose labels…"), input), said);

  async function read(file) {
    if (!file) return;
    const { found, problem } = match(parse(await file.text()), [...slides.values()]);
    if (problem) return put(said, h("span", { class: "bad" }, problem));
    for (const [id, label] of found) slides.get(id).label = label;
    put(said);
    say(`${plural(found.size, "slide")} of ${slides.size} labelled`);
    changed();
  }

  function show() {
    const labelled = [...slides.values()].filter((s) => s.label === 0 || s.label === 1).length;
    words.textContent = labelled === 0 ? "With labels this page draws a ROC curve: drop a CSV here with the columns name (or path, filename) and label (1 BCC, 0 not). It stays in this browser."
      : `${labelled} of ${plural(slides.size, "slide")} have a label.`;
  }

  return { node, show };
}

// match finds the slides that the rows name: the whole name, or without folder or ending.
export function match(rows, slides) {
  const head = (rows[0] ?? []).map((c) => c.trim().toLowerCase());
  const name = ["name", "path", "filename", "url", "slide"].map((n) => head.indexOf(n)).find((i) => i >= 0);
  const label = head.indexOf("label");
  if (name === undefined || label < 0) return { problem: "The CSV wants a first line with name (or path, filename) and label." };
  const base = (n) => n.trim().split(/[\\/]/).pop();
  const stem = (n) => base(n).replace(/\.[a-z0-9]+$/i, "");
  const labels = new Map();
  for (const [i, r] of rows.slice(1).entries()) {
    const v = { "1": 1, "0": 0, "bcc": 1, "non-malignant": 0 }[(r[label] ?? "").trim().toLowerCase()];
    if (v === undefined) return { problem: `Line ${i + 2} of the CSV has the label “${r[label] ?? ""}”; 1 (BCC) and 0 are known.` };
    for (const key of [base(r[name] ?? ""), stem(r[name] ?? "")]) {
      // Two slides of one name and different labels: neither is guessed.
      labels.set(key, labels.has(key) && labels.get(key) !== v ? null : v);
    }
  }
  const found = new Map();
  for (const s of slides) {
    const v = labels.get(base(s.name)) ?? labels.get(stem(s.name));
    if (v === 0 || v === 1) found.set(s.id, v);
  }
  return found.size ? { found } : { problem: "No name in the CSV is that of a slide here." };
}
