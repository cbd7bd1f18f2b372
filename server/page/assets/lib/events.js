// Server-sent events read by fetch, since EventSource cannot send a key.

import { ask, Problem } from "./api.js";

// follow calls heard(kind, value) for each event until the stream says end, signal
// aborts or the server refuses. A stream that breaks is opened again: it begins with
// how things stand.
export async function follow(path, signal, heard) {
  for (let wait = 500; ; wait = Math.min(2 * wait, 15_000)) {
    try {
      const answer = await ask(path, { signal, headers: { Accept: "text/event-stream" } });
      for await (const e of events(answer.body)) {
        wait = 500;
        heard(e.kind, e.data);
        if (e.kind === "end") return;
      }
    } catch (err) {
      if (signal.aborted) return;
      if (err instanceof Problem && err.code < 500 && err.code !== 429) throw err;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (signal.aborted) return;
  }
}

// events yields { kind, data } of a stream (WHATWG HTML, 9.2), data parsed as JSON.
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", kind = "", data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { kind: kind || "message", data: JSON.parse(data.join("\n")) };
          kind = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const words = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") kind = words;
        if (name === "data") data.push(words);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
