// What the page computes, away from the browser: node --test.
import assert from "node:assert/strict";
import test from "node:test";
import { parse, write } from "../assets/lib/csv.js";
import { events } from "../assets/lib/events.js";
import { bytes, dollars, span } from "../assets/lib/format.js";
import { at, auroc, histogram, roc, wilson } from "../assets/lib/stats.js";
import { match } from "../assets/views/cohort/labels.js";
import { compare } from "../assets/views/cohort/table.js";
import { patches } from "../assets/views/viewer/probe.js";
import { round } from "../assets/views/viewer/scalebar.js";

const near = (a, b, by = 1e-9) => assert.ok(Math.abs(a - b) <= by, `${a}, want ${b}`);

test("csv comes back as it went, and no cell is a formula", () => {
  const rows = [["name", "n"], ['a "b", c', 1], ["two\nlines", -2.5], ["", ""]];
  assert.deepEqual(parse(write(rows)), rows.map((r) => r.map(String)));
  assert.equal(write([["=1+1", "@x", -1]]), "'=1+1,'@x,-1\r\n");
  assert.deepEqual(parse("\uFEFFname;label\na;1\n"), [["name", "label"], ["a", "1"]]);
});

test("the area under the curve is the share of pairs in order, ties half", () => {
  const slides = [[0.9, 1], [0.8, 1], [0.8, 0], [0.4, 1], [0.3, 0], [0.1, 0]].map(([score, label]) => ({ score, label }));
  // Pairs: 9; in order 7.5 (one tie, one the wrong way round).
  near(auroc(roc(slides)), 7.5 / 9);
  assert.equal(roc(slides.filter((s) => s.label)), null);
  assert.deepEqual(at(slides, 0.8), { called: 3, hits: 2, misses: 1, alarms: 1, rests: 2 });
});

test("intervals are Wilson's", () => { // 8 of 10: R, binom::binom.wilson
  const [low, high] = wilson(8, 10);
  near(low, 0.4901625, 1e-6);
  near(high, 0.9433178, 1e-6);
});

test("a histogram holds every value once", () => {
  assert.deepEqual(histogram([0, 0.049, 0.05, 0.999, 1], 20).filter(Boolean), [2, 1, 2]);
});

test("events are read however the stream is cut", async () => {
  const text = ": beat\r\n\r\nevent: progress\r\ndata: {\"id\":\r\ndata: \"a\"}\r\n\r\ndata:1\n\nevent: end\ndata: {}\n\n";
  const all = new TextEncoder().encode(text);
  for (const size of [1, 2, 3, 7, all.length]) {
    const body = new ReadableStream({ start(c) { for (let i = 0; i < all.length; i += size) c.enqueue(all.slice(i, i + size)); c.close(); } });
    const got = [];
    for await (const e of events(body)) got.push(e);
    assert.deepEqual(got, [{ kind: "progress", data: { id: "a" } }, { kind: "message", data: 1 }, { kind: "end", data: {} }], `pieces of ${size}`);
  }
});

test("labels find slides by name or without the ending; two that differ are not guessed", () => {
  const slides = [{ id: "0", name: "a.tif" }, { id: "1", name: "b.tif" }, { id: "2", name: "c.tif" }];
  assert.deepEqual([...match([["path", "label"], ["x/a.tif", "1"], ["b", "0"], ["c.tif", "0"], ["d/c.tif", "1"]], slides).found], [["0", 1], ["1", 0]]);
  assert.match(match([["path", "label"], ["a", "maybe"]], slides).problem, /Line 2/);
  assert.match(match([["a", "b"]], slides).problem, /first line/);
});

test("what is missing sorts last both ways", () => {
  const v = [null, 2, 1, null, 3];
  assert.deepEqual(v.toSorted((a, b) => compare(a, b, false)), [1, 2, 3, null, null]);
  assert.deepEqual(v.toSorted((a, b) => compare(a, b, true)), [3, 2, 1, null, null]);
});

test("the patch that is read covers the point, and is the nearest of those that overlap", () => {
  const find = patches("minx,miny,width,height,prob_bcc\n0,0,100,100,0.1000\n50,0,100,100,0.9000\n300,300,100,100,0.5000\n");
  assert.equal(find(10, 10).p, 0.1);
  assert.equal(find(74, 50).p, 0.1);
  assert.equal(find(76, 50).p, 0.9);
  assert.equal(find(149.9, 99.9).p, 0.9);
  assert.equal(find(150, 50), null);
  assert.equal(find(399, 399).p, 0.5);
});

test("scale bars are round, numbers are short", () => {
  assert.deepEqual([1, 1.9, 2, 4.99, 5, 160, 999].map(round), [1, 1, 2, 2, 5, 100, 500]);
  near(round(0.3), 0.2);
  assert.deepEqual([12, 999, 1000, 4_204_282, 250e9].map(bytes), ["12 B", "999 B", "1.0 kB", "4.2 MB", "250 GB"]);
  assert.deepEqual([0, 0.00036, 0.045, 1.5].map(dollars), ["$0.00", "$0.00036", "$0.045", "$1.50"]);
  assert.deepEqual([0.5, 42, 130, 7200, 400_000].map(span), ["0.5 s", "42 s", "2 min", "2.0 h", "5 days"]);
});
