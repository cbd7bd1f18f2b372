// Requests to the server that this page came from.

import { askKey, headers } from "./key.js";

// Problem is an answer of the API that is an error.
export class Problem extends Error {
  constructor(code, message, details, requestID) {
    super(message);
    Object.assign(this, { code, details, requestID });
  }
}

// problem turns an error into words: what, and what to do.
export function problem(err) {
  if (err instanceof TypeError) return `The server does not answer (${err.message}).`; // as fetch says it
  const end = /[.!?]$/.test(err.message) ? "" : ".";
  return capital(err.message) + end + (err.details ? ` ${capital(err.details)}.` : "");
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

// ask sends a request with the key and returns the response, which is good. A 401 asks
// the person for a key and tries again.
export async function ask(path, options = {}) {
  if (!path.startsWith("/") || path.startsWith("//")) throw new Problem(0, "the address " + path + " is not of this server");
  for (;;) {
    const sent = headers();
    const answer = await fetch(path, { ...options, headers: { ...options.headers, ...sent } });
    if (answer.ok) return answer;
    const err = asProblem(answer.status, await answer.text());
    if (answer.status !== 401) throw err;
    if (sent.Authorization === headers().Authorization && !(await askKey(sent.Authorization && problem(err)))) throw err;
  }
}

// asProblem reads the body of an answer that is an error.
export function asProblem(status, body) {
  try {
    const e = JSON.parse(body).error;
    return new Problem(e.code ?? status, e.message || `status ${status}`, e.details, e.request_id);
  } catch {
    return new Problem(status, `status ${status}`);
  }
}

export async function get(path, signal) {
  return (await ask(path, { signal, headers: { Accept: "application/json" } })).json();
}

export async function post(path, value, signal) {
  return (await ask(path, { method: "POST", signal, body: JSON.stringify(value), headers: { "Content-Type": "application/json" } })).json();
}

let info;

// modelInfo is what the server says of its model; asked for once.
export function modelInfo() {
  info ??= get("/model/info").catch((err) => { info = undefined; throw err; });
  return info;
}
