// The picture: the slide in deep zoom, the heat map over it, outlines, scale bar,
// and the controls of these.

import { field, h, text } from "../../lib/dom.js";
import { ask } from "../../lib/api.js";
import { prob } from "../../lib/format.js";
import { headers } from "../../lib/key.js";
import { openSeadragon } from "../../lib/thirdparty.js";
import { outlines } from "./outlines.js";
import { probe } from "./probe.js";
import { legend } from "./ramp.js";
import { scaleBar } from "./scalebar.js";

// stage returns { node, begin(), fly(bounds), choose(index) }; begin is called when the
// node stands on the page, since the viewer measures its place.
export async function stage({ id, result, lesions, patches, signal }) {
  const OSD = await openSeadragon();
  const [picture, heat] = await Promise.all([source(OSD, `/slides/${id}/slide.dzi`, signal), source(OSD, `/slides/${id}/heatmap.dzi`, signal)]);
  const attention = result.model.heat_map === "attention";
  const name = attention ? "attention × slide score" : "probability of BCC";

  const canvas = h("div", { class: "osd" });
  const opacity = h("input", { type: "range", min: 0, max: 100, step: 1, value: "45", on: { input: setOpacity } });
  const threshold = h("input", { type: "range", min: 0, max: 1, step: 0.01, value: "0.2", on: { input: setThreshold } });
  const opacityWords = h("output", {}), thresholdWords = h("output", {});
  const outlined = h("input", { type: "checkbox", checked: true, on: { change: () => drawn.show(outlined.checked) } });
  const reading = h("p", { class: "reading", "aria-live": "polite" }, h("span", { class: "soft" }, "Point at a patch to read it."));
  const button = (label, sign, f) => h("button", { type: "button", "aria-label": label, title: label, on: { click: f } }, h("span", { "aria-hidden": "true" }, sign));
  const frame = h("div", { class: "frame" }, canvas,
    h("div", { class: "zoom", role: "group", "aria-label": "Zoom" },
      button("Zoom in", "+", () => zoom(1.6)), button("Zoom out", "−", () => zoom(1 / 1.6)), button("Whole slide", "⤢", () => osd.viewport.goHome())));
  const node = h("section", { class: "stage", "aria-label": "Picture of the slide" },
    h("div", { class: "row fields controls" },
      h("div", { class: "slider" }, field("Heat map", opacity), opacityWords),
      h("div", { class: "slider" }, field("Shown from", threshold), thresholdWords),
      h("label", { class: "check" }, outlined, " Outlines"),
      legend(name)),
    frame, reading);

  let osd, drawn, read;

  function begin() {
    // The library adds a style element that takes the focus ring away on touch screens, unless
    // one is there. The page's policy would refuse it; this stand-in is no style element.
    const has = document.createElementNS("urn:bcc", "style");
    has.setAttribute("data-openseadragon-mobile-css", "");
    canvas.append(has);
    osd = new OSD.Viewer({
      element: canvas, tileSources: [picture], drawer: "canvas", // one picture over the other with an opacity: the plain drawer places both alike
      showNavigationControl: false, showNavigator: true, navigatorPosition: "TOP_RIGHT", navigatorSizeRatio: 0.16, navigatorDisplayRegionColor: "#7d1128",
      loadTilesWithAjax: true, ajaxHeaders: headers(), crossOriginPolicy: false,
      maxZoomPixelRatio: 4, minZoomImageRatio: 0.7, visibilityRatio: 0.3, animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.6,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, silenceMultiImageWarnings: true, preserveImageSizeOnResize: true,
    });
    canvas.querySelector(".openseadragon-canvas")?.setAttribute("aria-label", "Slide. Arrows move, plus and minus zoom, zero shows it whole.");
    canvas.querySelector(".openseadragon-canvas")?.setAttribute("role", "application");
    drawn = outlines(OSD, osd, lesions);
    scaleBar(osd, frame, result.slide.mpp_um);
    read = probe(OSD, osd, patches, reading, name);
    osd.addHandler("tile-load-failed", (e) => { if (!signal.aborted) text(reading, `A tile did not come: ${e.message}.`); });
    osd.addOnceHandler("open", () => layer());
    setOpacity();
    thresholdWordsNow();
    signal.addEventListener("abort", () => osd.destroy());
    node.osd = osd; // for tests of the page
  }

  // layer puts the heat map for the present threshold over the slide, in place of the last.
  let shown = null, wanted = 0;
  function layer() {
    const mine = ++wanted;
    const tiles = new OSD.DziTileSource({ ...heat, queryParams: `?threshold=${Number(threshold.value).toFixed(2)}` });
    osd.addTiledImage({
      tileSource: tiles, x: 0, y: 0, width: 1, opacity: opacity.value / 100, loadTilesWithAjax: true, ajaxHeaders: headers(),
      success: ({ item }) => {
        if (mine !== wanted) return osd.world.removeItem(item);
        const old = shown;
        shown = item;
        item.setOpacity(opacity.value / 100);
        // The old one goes when the new one can be seen.
        const swap = () => { if (old && osd.world.getIndexOfItem(old) >= 0) osd.world.removeItem(old); };
        if (item.getFullyLoaded()) swap();
        else item.addOnceHandler("fully-loaded-change", swap);
      },
    });
  }

  function setOpacity() {
    text(opacityWords, `${opacity.value} %`);
    shown?.setOpacity(opacity.value / 100);
  }

  function thresholdWordsNow() {
    text(thresholdWords, prob(threshold.value));
  }

  let timer = 0;
  function setThreshold() {
    thresholdWordsNow();
    clearTimeout(timer);
    timer = setTimeout(() => { if (!signal.aborted) layer(); }, 150); // tiles are made for each value: not for those on the way
  }

  function zoom(by) {
    osd.viewport.zoomBy(by);
    osd.viewport.applyConstraints();
  }

  // fly shows a rectangle of level-0 pixels with room around it.
  function fly([x, y, w, hh]) {
    const room = 0.6 * Math.max(w, hh);
    osd.viewport.fitBounds(osd.world.getItemAt(0).imageToViewportRectangle(x - room, y - room, w + 2 * room, hh + 2 * room));
    frame.scrollIntoView({ block: "nearest" });
    read.centre();
  }

  return { node, begin, fly, choose: (i) => drawn.choose(i) };
}

// source reads a .dzi with the key; its tiles are fetched with it too.
async function source(OSD, path, signal) {
  const xml = new DOMParser().parseFromString(await (await ask(path, { signal })).text(), "text/xml");
  const image = xml.documentElement, size = image.getElementsByTagNameNS("*", "Size")[0];
  const number = (el, name) => Number(el.getAttribute(name));
  if (!size || !number(size, "Width")) throw new Error(`${path} is no deep zoom description`);
  const out = {
    width: number(size, "Width"), height: number(size, "Height"), tileSize: number(image, "TileSize"), tileOverlap: number(image, "Overlap"),
    tilesUrl: path.replace(/\.dzi$/, "_files/"), fileFormat: image.getAttribute("Format"),
  };
  return path.endsWith("slide.dzi") ? new OSD.DziTileSource(out) : out;
}
