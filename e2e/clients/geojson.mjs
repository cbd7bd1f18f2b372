// Checks outlines by the rules of GeoJSON (RFC 7946) and by those that QuPath
// publishes for objects: https://qupath.readthedocs.io/en/stable/docs/advanced/geojson.html
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { check } from "@placemarkio/check-geojson";

const objectTypes = ["annotation", "detection", "cell", "tile", "tma_core", "root", "unknown"];
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

for (const path of process.argv.slice(2)) {
  const text = readFileSync(path, "utf8");
  const collection = check(text); // throws where RFC 7946 is broken
  assert.equal(collection.type, "FeatureCollection");
  assert.ok(collection.features.length > 0, "an empty collection proves nothing");
  const ids = new Set();
  for (const f of collection.features) {
    assert.equal(f.type, "Feature");
    assert.match(f.id, uuid, "an id that QuPath keeps is a UUID");
    ids.add(f.id);
    assert.ok(["Polygon", "MultiPolygon"].includes(f.geometry.type));
    const p = f.properties;
    assert.ok(objectTypes.includes(p.objectType), `objectType ${p.objectType}`);
    assert.equal(typeof p.classification.name, "string");
    assert.ok(p.classification.color.length === 3 && p.classification.color.every((c) => Number.isInteger(c) && c >= 0 && c <= 255));
    assert.equal(typeof p.isLocked, "boolean");
    assert.ok(p.measurements && typeof p.measurements === "object" && !Array.isArray(p.measurements), "measurements is a dictionary");
    for (const [name, value] of Object.entries(p.measurements)) assert.ok(Number.isFinite(value), `measurement ${name}`);
  }
  assert.equal(ids.size, collection.features.length, "ids differ");
  console.log(`geojson: ${collection.features.length} features`);
}
