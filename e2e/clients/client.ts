// A client that knows the API from its description alone: openapi-typescript made
// the types, openapi-fetch sends the requests, tsc checks that they fit.
//
//   node client.js http://127.0.0.1:8000 patch.png slide.tif
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [address, patch, slide] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl: address });

async function form(path: string, fields: Record<string, string> = {}): Promise<FormData> {
  const f = new FormData();
  for (const [name, value] of Object.entries(fields)) f.append(name, value);
  f.append("file", new Blob([await readFile(path)]), path.split("/").pop());
  return f;
}

// upload sends a file as a browser does: the types say what the form holds, FormData carries it.
async function upload(path: string, fields: Record<string, string> = {}) {
  const body = await form(path, fields);
  return { body: {} as never, bodySerializer: () => body };
}

const health = await api.GET("/health");
assert.equal(health.data?.status, "healthy");

const info = await api.GET("/model/info");
assert.ok(info.data);
assert.deepEqual(info.data.output_classes, ["BCC", "Non-malignant"]);

const machine = await api.GET("/machine");
assert.ok(machine.data && machine.data.cores > 0);

// A small picture is answered at once.
const small = await api.POST("/predict", await upload(patch, { return_patches: "true" }));
assert.ok(small.data && "prediction" in small.data, JSON.stringify(small.error)); // else it is a cohort, of 202
assert.ok(small.data.confidence >= 0.5 && small.data.confidence <= 1);
assert.equal(small.data.patches.length, 1);

// What is wrong comes as the description says.
const wrong = await api.POST("/predict", await upload("package.json"));
assert.equal(wrong.response.status, 415);
assert.equal(wrong.error?.error.code, 415);
assert.ok(wrong.error?.error.message);

// A slide is uploaded, submitted, followed, and its files read.
const sent = await api.POST("/slides", await upload(slide));
assert.ok(sent.data, JSON.stringify(sent.error));
const submitted = await api.POST("/cohorts", {
  body: { name: "a client's", priority: "urgent", slides: [{ upload: sent.data.upload, name: "slide.tif", label: 1 }] },
});
assert.equal(submitted.response.status, 201, JSON.stringify(submitted.error));
const id = submitted.data!.id;
assert.equal(submitted.response.headers.get("Location"), `/cohorts/${id}`);

const events = await fetch(`${address}/cohorts/${id}/events`);
assert.match(events.headers.get("Content-Type") ?? "", /^text\/event-stream/);
const told = await events.text(); // ends with the last slide
for (const kind of ["cohort", "slide", "end"]) assert.match(told, new RegExp(`^event: ${kind}$`, "m"));

const cohort = await api.GET("/cohorts/{id}", { params: { path: { id } } });
assert.equal(cohort.data?.state, "done");
assert.equal(cohort.data?.counts.done, 1);
const all = await api.GET("/cohorts");
assert.ok(all.data?.cohorts.some((c) => c.id === id));

const slideID = cohort.data!.slides![0]!.id;
const path = { params: { path: { id: slideID } } };
const status = await api.GET("/slides/{id}", path);
assert.equal(status.data?.state, "done");
// The files have formats of their own, which the description only names.
const result = await api.GET("/slides/{id}/result", path);
assert.equal((result.data as { prediction: string }).prediction, status.data?.prediction);
const outlines = await api.GET("/slides/{id}/lesions.geojson", path);
assert.equal((outlines.data as { type: string }).type, "FeatureCollection");
const table = await api.GET("/slides/{id}/patches.csv", { ...path, parseAs: "text" });
assert.match(String(table.data), /^minx,miny,width,height,prob_bcc/);

const nobody = await api.GET("/cohorts/{id}", { params: { path: { id: "c" + "a".repeat(25) } } });
assert.equal(nobody.response.status, 404);
assert.equal(nobody.error?.error.code, 404);

console.log(`client: ${small.data.prediction} on a patch; ${status.data!.prediction} on a slide of ${sent.data.width_px}x${sent.data.height_px}`);
