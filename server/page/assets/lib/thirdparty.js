// The libraries of others, loaded when a view wants them.

import { h } from "./dom.js";

const folder = "/assets/thirdparty/";
const loaded = new Map();

export const openSeadragon = () => load("openseadragon.min.js", "OpenSeadragon");

export async function uPlot() {
  if (!document.querySelector(`link[href="${folder}uPlot.min.css"]`)) document.head.append(h("link", { rel: "stylesheet", href: folder + "uPlot.min.css" }));
  return load("uPlot.iife.min.js", "uPlot");
}

function load(file, name) {
  if (!loaded.has(file)) {
    loaded.set(file, new Promise((resolve, reject) => {
      const script = h("script", { src: folder + file });
      script.onload = () => resolve(window[name]);
      script.onerror = () => {
        loaded.delete(file);
        reject(new Error(`this program was built without ${name}: run make setup, then make build`));
      };
      document.head.append(script);
    }));
  }
  return loaded.get(file);
}
