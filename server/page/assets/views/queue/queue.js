// The first view: put slides in, see what is being looked at.

import { h } from "../../lib/dom.js";
import cohortList from "./list.js";
import uploadPanel from "./upload.js";

export default function queue(place, signal) {
  const list = cohortList(signal);
  place.append(
    h("h1", { class: "unseen" }, "Slides"),
    uploadPanel(signal, (summary) => list.add(summary)),
    list.node);
}
