// One slide: its picture, what the model made of it, its files.

import { h, put, text } from "../../lib/dom.js";
import { ask, get, modelInfo, problem } from "../../lib/api.js";
import { follow } from "../../lib/events.js";
import { count, fixed, plural, prob } from "../../lib/format.js";
import { say } from "../../lib/say.js";
import { tone } from "../cohort/table.js";
import { modelCard, synthetic } from "../card.js";
import { advice, lost, reason } from "../queue/lost.js";
import { fileList } from "./files.js";
import { lesionList } from "./lesions.js";
import { stage } from "./stage.js";

export default async function viewer(place, signal, id) {
  let slide = await get(`/slides/${id}`, signal);
  document.title = `${slide.name} · bcc`;
  const cohort = id.replace(/-\d+$/, "");
  const head = h("h1", { class: "break" }, slide.name);
  const words = h("p", { role: "status" });
  place.append(h("p", { class: "crumbs" }, h("a", { href: "#/" }, "All cohorts"), " / ", h("a", { href: `#/cohorts/${cohort}` }, "This cohort")), head, words);

  if (slide.state === "pending" || slide.state === "running") slide = await ended(words, signal, cohort, slide);
  if (!slide || signal.aborted) return;
  if (slide.state !== "done") {
    put(words, lost(slide) ? [h("strong", { class: slide.state === "failed" ? "bad" : "apart" }, slide.state === "failed" ? "This slide failed: " : "This slide is quarantined: "), reason(slide), advice[slide.state] && `. ${advice[slide.state]}`] : `This slide was ${slide.state}.`);
    return;
  }
  put(words);
  const [result, lesions, patches, info] = await Promise.all([
    get(slide.files?.result ?? `/slides/${id}/result`, signal),
    get(`/slides/${id}/lesions.geojson`, signal),
    ask(`/slides/${id}/patches.csv`, { signal }).then((r) => r.text()),
    modelInfo(),
  ]);
  // Without its picture the answer is still there.
  const view = await stage({ id, result, lesions, patches, signal }).catch((err) => (
    { node: h("section", { class: "stage" }, h("p", { class: "bad", role: "alert" }, problem(err))), begin() {}, fly() {}, choose() {} }));
  const card = h("dialog", { class: "wide", "aria-label": "The model’s card" }, h("div", { class: "row" }, h("h2", {}, "The model’s card"), h("span", { class: "grow" }), h("button", { type: "button", on: { click: () => card.close() } }, "Close")), modelCard(info));
  place.append(h("div", { class: "viewer" },
    view.node,
    h("div", { class: "side" },
      answer(result),
      warning(result, info, () => card.showModal()),
      lesionList(lesions, result, view, signal),
      about(result),
      fileList(slide, signal)),
    card));
  view.begin();
}

// ended waits for the end of a slide that is not over, and says how far it is.
async function ended(words, signal, cohort, slide) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "looked at" });
  const note = h("span", {}, slide.state === "pending" ? " This slide waits for its turn." : " This slide is being looked at.");
  put(words, bar, note);
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  let over = null;
  await follow(`/cohorts/${cohort}/events`, stop.signal, (kind, data) => {
    if (data?.id !== slide.id) return;
    if (kind === "progress" && data.patches) {
      bar.value = data.patches_done / data.patches;
      text(note, ` ${count(data.patches_done)} of ${plural(data.patches, "patch", "patches")}.`);
    }
    if (kind === "slide") { over = data; stop.abort(); }
  });
  if (signal.aborted) return null;
  say(`${slide.name} is ${over?.state ?? "over"}`);
  return get(`/slides/${slide.id}`, signal);
}

function answer(result) {
  const p = result.parameters;
  const band = p.abstain?.length === 2 && p.abstain[1] > p.abstain[0] ? `, Indeterminate from ${prob(p.abstain[0])} to ${prob(p.abstain[1])}` : "";
  return h("section", { class: "answer " + tone(result.prediction), "aria-label": "Answer" },
    h("p", { class: "prediction" }, result.prediction),
    h("dl", { class: "figures" },
      h("div", {}, h("dt", {}, "Score"), h("dd", {}, prob(result.score))),
      h("div", {}, h("dt", {}, "Confidence"), h("dd", {}, prob(result.confidence)))),
    h("p", { class: "soft" }, `BCC from a score of ${prob(p.threshold)}${band}.`),
    (result.degraded ?? []).map((d) => h("p", { class: "warning boxed" }, h("strong", {}, "Less than usual: "), d)));
}

function warning(result, info, open) {
  const same = !info.sha256 || info.sha256 === result.model.sha256 || info.model_name === result.model.name;
  return h("section", { class: "warning boxed", "aria-label": "Warning" },
    h("p", {}, h("strong", {}, "Research use only, not for diagnostic use."), " ",
      synthetic(info.card) ? `${info.model_name} was trained on synthetic slides; what it says of a patient’s tissue is unknown.` : ""),
    h("p", {}, `Answered by ${result.model.name} ${result.model.version}.`, !same && ` The server’s model is now ${info.model_name} ${info.model_version}; the card is of that one.`, " ",
      h("button", { type: "button", class: "link", on: { click: open } }, "The model’s card: data, figures, known failures")));
}

function about({ slide, tissue, model, parameters, program }) {
  const rows = [
    ["Slide", `${count(slide.width_px)} × ${count(slide.height_px)} px, ${fixed(slide.mpp_um, 4)} µm per pixel, ${slide.format}`],
    ["Tissue", `${fixed(tissue.area_mm2, 1)} mm², ${plural(tissue.patches, "patch", "patches")}`],
    ["Patches", `${model.patch_size_px} px at ${model.mpp_um} µm, overlap ${parameters.overlap}`],
    ["Program", program && `${program.name} ${program.version}, ${program.engine}`],
    ["SHA-256", h("code", { class: "break" }, slide.sha256)],
  ];
  return h("details", { class: "panel" }, h("summary", {}, "How it was looked at"), h("dl", { class: "pairs" }, rows.filter(([, v]) => v).map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v)))));
}

