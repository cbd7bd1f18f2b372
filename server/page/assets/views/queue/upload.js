// The panel that takes slides in: they are sent at once, and become a cohort when
// the person says so.

import { field, h, put, text } from "../../lib/dom.js";
import { modelInfo, post, problem } from "../../lib/api.js";
import { plural } from "../../lib/format.js";
import { say, sayProgress } from "../../lib/say.js";
import { fromDrop, fromPicker } from "./dropped.js";
import { item } from "./item.js";

const atOnce = 2; // more would share the same wire

let panel;

// uploadPanel returns the panel; made(summary) is called with each new cohort. There
// is one panel as long as the page is open: slides go on being sent while other views
// are looked at.
export default function uploadPanel(signal, made) {
  panel ??= create();
  panel.made = made;
  dropTarget(panel.drop, signal, panel.dropped);
  return panel.node;
}

function create() {
  let items = [];
  let patchPx = 0;
  modelInfo().then((info) => { patchPx = info.input_shape?.find((n) => n > 4) ?? 0; }).catch(() => {});

  const picker = (attributes) => h("input", { type: "file", multiple: true, hidden: true, ...attributes, on: { change: (e) => { add(fromPicker(e.target.files)); e.target.value = ""; } } });
  const files = picker({ id: "files", accept: ".tif,.tiff,.svs,.ndpi,.scn,.bif,.png,.jpg,.jpeg" });
  const folder = picker({ id: "folder", webkitdirectory: true });
  const list = h("ul", { class: "items", "aria-label": "Slides to look at" });
  const name = h("input", { type: "text", maxlength: 200, autocomplete: "off" });
  const priority = h("select", {}, h("option", { value: "routine" }, "Routine"), h("option", { value: "urgent" }, "Urgent: before all that waits"));
  const all = h("button", { type: "button", hidden: true, on: { click: sameScale } }, "Use the first scale for all");
  const start = h("button", { type: "submit", class: "strong" }, "Analyse");
  const note = h("p", { class: "soft", role: "status" });
  const order = h("div", { class: "row fields" }, field("Name of this cohort (optional)", name), field("Priority", priority), all, start);
  const form = h("form", { class: "staged", hidden: true, on: { submit } }, list, order, note);

  const drop = h("div", { class: "drop" },
    h("p", { class: "drop-head" }, h("strong", {}, "Drop slides or a folder here")),
    h("p", {},
      h("button", { type: "button", class: "strong", on: { click: () => files.click() } }, "Choose slides…"), " ",
      h("button", { type: "button", on: { click: () => folder.click() } }, "Choose a folder…")),
    h("p", { class: "soft" }, "TIFF (pyramid, BigTIFF, Aperio SVS), PNG, JPEG. They go to this server and nowhere else."),
    files, folder);
  const dropped = (transfer) => fromDrop(transfer).then(add, (err) => text(note, problem(err)));
  addEventListener("beforeunload", (e) => { if (items.some((i) => i.state === "sending")) e.preventDefault(); });

  function add({ files, skipped }) {
    for (const file of files) {
      const one = item(file, patchPx, next, (gone) => { items = items.filter((i) => i !== gone); next(); });
      items.push(one);
      list.append(one.node);
    }
    if (files.length + skipped > 0) say(`${plural(files.length, "slide")} taken` + (skipped ? `, ${plural(skipped, "other file")} left out` : ""));
    text(note, skipped ? `${plural(skipped, "other file")} left out: no slides by their names.` : "");
    form.hidden = items.length === 0;
    next();
  }

  // next sends what waits, and says how far all is.
  function next() {
    const sending = () => items.filter((i) => i.state === "sending").length;
    for (const i of items) if (i.state === "waiting" && sending() < atOnce) i.start();
    const ready = items.filter((i) => i.ready()).length;
    const open = items.filter((i) => i.state === "waiting" || i.state === "sending").length;
    const unscaled = items.filter((i) => i.state === "here" && !i.ready()).length;
    start.disabled = open > 0 || unscaled > 0 || ready === 0;
    text(start, `Analyse ${plural(ready, "slide")}`);
    all.hidden = items.filter((i) => i.input).length < 2;
    form.hidden = items.length === 0;
    order.hidden = items.every((i) => i.state === "failed"); // these are only to be read
    if (open) sayProgress(`${plural(open, "slide")} still being sent`);
    if (unscaled) text(note, `${plural(unscaled, "slide")} without a scale: fill it in above.`);
    else if (note.textContent.includes("without a scale")) text(note, "");
  }

  function sameScale() {
    const inputs = items.filter((i) => i.input).map((i) => i.input);
    const first = inputs.find((i) => i.value !== "")?.value ?? "";
    for (const i of inputs) i.value = first;
    next();
  }

  async function submit(e) {
    e.preventDefault();
    start.disabled = true;
    const going = items.filter((i) => i.ready());
    try {
      const summary = await post("/cohorts", { name: name.value.trim(), priority: priority.value, slides: going.map((i) => i.slide()) });
      for (const i of going) i.node.remove();
      items = items.filter((i) => !going.includes(i));
      name.value = "";
      text(note, "");
      say(`${plural(going.length, "slide")} submitted`);
      self.made(summary);
    } catch (err) {
      put(note, h("span", { class: "bad" }, problem(err)));
    }
    next();
  }

  const self = { node: h("section", { class: "upload", "aria-label": "New slides" }, drop, form), drop, dropped, made: null };
  return self;
}

// dropTarget lets things be dropped anywhere on the page while the view is open.
function dropTarget(mark, signal, dropped) {
  let depth = 0; // enter and leave come for every element below
  const on = (event, f) => document.addEventListener(event, (e) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    f(e);
    mark.classList.toggle("over", depth > 0);
  }, { signal });
  on("dragenter", () => { depth++; });
  on("dragleave", () => { depth--; });
  on("dragover", () => {});
  on("drop", (e) => { depth = 0; dropped(e.dataTransfer); });
}
