// The key that requests go with. It stays in this tab and goes when the tab is closed.

import { field, h, id } from "./dom.js";

const place = "bcc-key";

export const kept = () => sessionStorage.getItem(place) !== null;

export function headers() {
  const key = sessionStorage.getItem(place);
  return key ? { Authorization: "Bearer " + key } : {};
}

// offer shows the button with which a key is given, changed or forgotten.
export function offer() {
  const button = document.getElementById("key");
  button.hidden = false;
  button.onclick = () => dialog().then((ok) => ok && location.reload());
}

let asking = null, declined = false;

// askKey asks the person for a key, one dialog for however many requests were
// refused, and resolves to whether there is a new one. Who has said no is not asked
// again: the button in the corner is there.
export function askKey(refused) {
  if (declined) return Promise.resolve(false);
  asking ??= dialog(refused).finally(() => { asking = null; });
  return asking;
}

function dialog(refused) {
  return new Promise((resolve) => {
    const head = h("h2", { id: id("key") }, "This server asks for a key");
    const input = h("input", { type: "password", autocomplete: "off", spellcheck: false, required: true });
    const form = h("form", { method: "dialog" },
      head,
      refused && h("p", { class: "bad", role: "alert" }, refused),
      field("API key or token", input, "Made with bcc serve keys make. It is kept in this tab until it is closed."),
      h("div", { class: "row end" },
        sessionStorage.getItem(place) && h("button", { type: "button", on: { click: () => { sessionStorage.removeItem(place); location.reload(); } } }, "Forget the key"),
        h("button", { type: "button", on: { click: () => box.close("") } }, "Not now"),
        h("button", { type: "submit", class: "strong", value: "ok" }, "Use this key")));
    const box = h("dialog", { "aria-labelledby": head.id }, form);
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      sessionStorage.setItem(place, input.value.trim());
      box.close("ok");
    });
    box.addEventListener("close", () => {
      box.remove();
      offer();
      declined = box.returnValue !== "ok";
      resolve(!declined);
    });
    document.body.append(box);
    box.showModal();
  });
}
