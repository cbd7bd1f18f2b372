// One file on its way in: a row with its progress, its scale, its end.

import { field, h, put, text } from "../../lib/dom.js";
import { problem } from "../../lib/api.js";
import { bytes, count, fixed, span } from "../../lib/format.js";
import { broken } from "./lost.js";
import { send } from "./send.js";

// item is one file. State: waiting, sending, here, failed. changed is called when
// the state or the scale changes; removed when the person takes it out.
export function item(file, patchPx, changed, removed) {
  const stop = new AbortController();
  const bar = h("progress", { max: Math.max(1, file.size), value: 0, "aria-label": "sent of " + file.name });
  const words = h("span", { class: "soft" }, "waiting");
  const scale = h("div", { class: "scale-ask" });
  const node = h("li", { class: "item" },
    h("div", { class: "item-name" }, h("strong", { class: "break" }, file.name), " ", h("span", { class: "soft" }, bytes(file.size))),
    bar, words,
    h("button", { type: "button", class: "quiet", "aria-label": "Remove " + file.name, on: { click: () => { stop.abort(); node.remove(); removed(self); } } }, "Remove"),
    scale);
  const self = { node, file, state: "waiting", answer: null, input: null, start, ready, slide };

  async function start() {
    self.state = "sending";
    try {
      self.answer = await send(file, stop.signal, (n) => {
        bar.value = n;
        text(words, n < file.size ? `${Math.floor(100 * n / file.size)} %` : "being checked");
      }, (seconds) => {
        bar.value = 0;
        text(words, `the server is busy: again in ${span(seconds)}`);
      });
      self.state = "here";
      bar.value = bar.max;
      const { width_px: w, height_px: hh, mpp_um: mpp } = self.answer;
      text(words, [w && `${count(w)} × ${count(hh)} px`, mpp && `${fixed(mpp, 3)} µm per pixel`].filter(Boolean).join(", ") || "here");
      if (!mpp && !(w === patchPx && hh === patchPx)) askScale();
    } catch (err) {
      self.state = "failed";
      node.classList.add("failed");
      put(words, h("span", { class: "bad" }, broken(err.code), problem(err)));
    }
    changed(self);
  }

  function askScale() {
    self.input = h("input", { type: "number", min: "0.05", max: "10", step: "any", required: true, inputmode: "decimal", on: { input: () => changed(self) } });
    put(scale, field("Scale, µm per pixel", self.input, "The file does not say it. Usual are 0.25 for 40× and 0.5 for 20×; the scanner’s record has it."));
  }

  function ready() {
    return self.state === "here" && (!self.input || (self.input.value !== "" && self.input.checkValidity()));
  }

  function slide() {
    const out = { upload: self.answer.upload, name: file.name };
    if (self.input) out.mpp_um = Number(self.input.value);
    return out;
  }

  return self;
}
