// The model's card, and what must be read before its answers are believed.

import { h } from "../lib/dom.js";
import { fixed } from "../lib/format.js";

// synthetic reports whether the card says that the model learned from made slides.
export function synthetic(card) {
  return /synthetic/i.test(card?.training?.data ?? "");
}

// modelCard shows what /model/info holds.
export function modelCard(info) {
  const card = info.card ?? {};
  const rows = [
    ["Model", `${info.model_name} ${info.model_version ?? ""}`],
    ["Intended use", card.intended_use],
    ["What it is", card.description],
    ["Trained on", card.training?.data],
    ["Licence", card.licence],
    ["Patch", card.patch_size_pixels && `${card.patch_size_pixels} × ${card.patch_size_pixels} px at ${card.spacing_um_px} µm per pixel`],
    ["Operating point", info.confidence_threshold !== undefined && `BCC from a score of ${fixed(info.confidence_threshold, 2)}`],
    ["SHA-256", card.files && h("code", { class: "break" }, Object.values(card.files).join(" "))],
  ];
  return h("div", { class: "card-words" },
    h("p", { class: "warning boxed" }, h("strong", {}, "Research use only, not for diagnostic use."),
      synthetic(card) && " It was trained on synthetic slides: what it says of a patient’s tissue is unknown."),
    h("dl", { class: "pairs" }, rows.filter(([, v]) => v).map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v)))),
    card.metrics?.length > 0 && metrics(card.metrics),
    card.known_failures?.length > 0 && [h("h3", {}, "Known failures"), h("ul", {}, card.known_failures.map((f) => h("li", {}, f)))]);
}

function metrics(list) {
  return [h("h3", {}, "Measured"), h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Measured figures" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Figure", "Value (95 %)", "Data"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, list.map((m) => h("tr", {}, h("td", {}, m.name),
      h("td", { class: "number" }, fixed(m.value, 3) + (m.low !== undefined ? ` (${fixed(m.low, 3)}–${fixed(m.high, 3)})` : "")), h("td", {}, m.data_set ?? ""))))))];
}
