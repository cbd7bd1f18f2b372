// Makes elements. Text goes in as text nodes only: nothing from outside becomes markup.

// h makes an HTML element. In props, class and for are attributes, on holds
// listeners, style goes through the CSSOM (the page's policy forbids the attribute);
// a property that the element has is set, all else becomes an attribute.
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

// s makes an SVG element; all props are attributes.
export function s(tag, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, f] of Object.entries(value)) el.addEventListener(event, f);
    else if (name === "style") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else if (!(el instanceof SVGElement) && name in el && typeof value !== "string") el[name] = value;
    else if (name === "value") el.value = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return el;
}

// put replaces what stands in el. A focused element that is put back keeps its focus.
export function put(el, ...children) {
  const focused = el.contains(document.activeElement) ? document.activeElement : null;
  el.replaceChildren(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  if (focused && focused !== document.activeElement && el.contains(focused)) focused.focus({ preventScroll: true });
}

// text sets an element's text where it differs, so that screen readers are left in peace.
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}

let ids = 0;

// id returns a name that no other element has.
export function id(prefix) {
  return `${prefix}-${++ids}`;
}

// field is a labelled form control.
export function field(label, control, hint) {
  control.id ||= id("field");
  const parts = [h("label", { for: control.id }, label), control];
  if (hint) {
    const note = h("small", { id: id("hint") }, hint);
    control.setAttribute("aria-describedby", note.id);
    parts.push(note);
  }
  return h("div", { class: "field" }, parts);
}

// question asks something in a dialog and resolves to whether the answer was yes.
export function question(words, yes, no = "No") {
  return new Promise((resolve) => {
    const head = h("p", { id: id("question") }, words);
    const dialog = h("dialog", { "aria-labelledby": head.id }, head,
      h("div", { class: "row end" },
        h("button", { type: "button", on: { click: () => dialog.close("") } }, no),
        h("button", { type: "button", class: "strong", on: { click: () => dialog.close("yes") } }, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// save hands bytes to the person as a file.
export function save(blob, name) {
  const a = h("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000); // a large file may still be written
}
