// What is asked for when a span is taken home.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exportQuery, sizeWords } from "../../../monitor/page/static/export.js";

test("the span asked for holds the span shown", () => {
  const query = exportQuery({ sensor: "a b/c", from: 1000.6, to: 2000.2, tier_s: 3600 });
  assert.equal(query.toString(), "sensor=a+b%2Fc&from_ms=1000&to_ms=2001&tier=hours");
});

test("a view of single windows takes trends of ten minutes", () => {
  assert.equal(exportQuery({ sensor: "a", from: -3, to: 1, tier_s: 0 }).get("tier"), "ten_minutes");
  assert.equal(exportQuery({ sensor: "a", from: -3, to: 1, tier_s: 0 }).get("from_ms"), "0");
});

test("sizes are told in words, refusals as they are", () => {
  assert.equal(sizeWords({ n: 1, rows: "kept windows", refused: "" }), "1 kept window");
  assert.equal(sizeWords({ n: 1, rows: "rows of trends", refused: "" }), "1 row of trends");
  assert.equal(sizeWords({ n: 1200, rows: "windows", refused: "" }), "1,200 windows");
  assert.equal(sizeWords({ n: 0, rows: "windows", refused: "None." }), "None.");
});
