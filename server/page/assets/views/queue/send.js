// Sends one file. XMLHttpRequest, because fetch does not tell how much has gone.

import { asProblem } from "../../lib/api.js";
import { askKey, headers } from "../../lib/key.js";

const patience = 120; // seconds; who must wait longer is told instead

// send uploads a file and resolves to what the server says of it. sent(bytes) is
// called on the way, waits(seconds) when the server has no room and is asked again
// later; aborting signal stops it.
export async function send(file, signal, sent, waits) {
  for (;;) {
    const went = headers();
    const { status, body, later } = await once(file, went, signal, sent);
    if (status >= 200 && status < 300) return JSON.parse(body);
    const err = asProblem(status, body);
    if ((status === 429 || status === 503) && later > 0 && later <= patience) {
      waits(later);
      await new Promise((resolve) => setTimeout(resolve, 1000 * later));
      if (signal.aborted) throw new Error("stopped");
      continue;
    }
    if (status !== 401) throw err;
    if (went.Authorization === headers().Authorization && !(await askKey())) throw err;
  }
}

function once(file, went, signal, sent) {
  return new Promise((resolve, reject) => {
    const form = new FormData(); // the name travels in the body, not in an address that is logged
    form.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", "/slides");
    for (const [name, value] of Object.entries(went)) request.setRequestHeader(name, value);
    request.upload.onprogress = (e) => sent(Math.min(e.loaded, file.size));
    request.onload = () => resolve({ status: request.status, body: request.responseText, later: Number(request.getResponseHeader("Retry-After")) });
    request.onerror = () => reject(new Error("the connection broke"));
    request.onabort = () => reject(new Error("stopped"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
