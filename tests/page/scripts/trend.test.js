// What of a trend needs no browser: spans, links, what rows come to in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { limits, rowAt, shares, tierWords } from "../../../monitor/page/static/trend_chart.js";
import { commonLimits } from "../../../monitor/page/static/trend_pane.js";
import {
  clampSpan,
  linkOf,
  MIN_MS,
  parseLink,
  zoomed,
} from "../../../monitor/page/static/trend_span.js";
import { dayWords, slopeWords } from "../../../monitor/page/static/trend_strip.js";
import { withNextZone, zoneBands } from "../../../monitor/page/static/trend_zones.js";
import { againstBaseline } from "../../../monitor/page/static/waterfall.js";

const KNOWN = { first_ms: 1e12, last_ms: 1e12 + 86400e3 };

test("a link brings back point, span and quantity", () => {
  const plain = { from: 1e12, to: 1e12 + 5000, quantity: "rms in mm/s & more" };
  const other = { sensor: "a@b, baseline/1-2@c", from: 5, to: 9 };
  for (const isRelative of [false, true])
    for (const beside of [null, other]) {
      const state = { ...plain, isRelative, other: beside };
      const [, , , ...texts] = linkOf("press 7/bearing #2", state).split("/");
      assert.deepEqual(parseLink(...texts), state);
    }
});

test("a link that makes no sense shows all", () => {
  for (const text of ["", "x", "5-1", "1-", "-3-4", "1e9-2e9"])
    assert.deepEqual(parseLink(text, "", text), {
      from: null,
      to: null,
      quantity: null,
      isRelative: false,
      other: null,
    });
});

test("what is under the pointer stays there while zooming", () => {
  const span = { from: 100, to: 300 };
  const [from, to] = zoomed(span, 150, 0.5);
  assert.equal((150 - from) / (to - from), (150 - 100) / 200);
});

test("a span is never too short, nor wholly outside of what is known", () => {
  const short = clampSpan(1e12 + 10, 1e12 + 20, KNOWN);
  assert.equal(short.to - short.from, MIN_MS);
  const far = clampSpan(0, 1000e3, KNOWN);
  assert.ok(far.to >= KNOWN.first_ms);
});

test("P(NG) has its whole range, other quantities theirs with the threshold", () => {
  assert.deepEqual(limits({ quantity: "probability", rows: [{ low: 0.1, high: 0.2 }] }), [0, 1]);
  const [low, high] = limits({ quantity: "x", rows: [{ low: 1, high: 2, threshold: 5 }, {}] });
  assert.ok(low >= 0 && low < 1 && high > 5);
});

test("what stands side by side has one scale", () => {
  const tree = (low, high) => ({ quantity: "x", rows: [{ low, high }] });
  const [low, high] = commonLimits([tree(1, 2), null, tree(5, 9)]);
  assert.ok(low < 1 && high > 9);
});

test("levels are told against the baseline, where there is one", () => {
  const bands = { spectrum_db: [[-40, -30], null], baseline_db: [-43, -30] };
  assert.deepEqual(againstBaseline(bands), [[3, 0], null]);
  assert.equal(againstBaseline({ ...bands, baseline_db: null }), null);
});

test("a finger finds the NG among thin rows, and the row under it among wide ones", () => {
  const row = (start_ms, status) => ({ start_ms, end_ms: start_ms + 10, status });
  const rows = [row(0, "OK"), row(10, "NG"), row(20, "OK"), row(50, "OK")];
  assert.equal(rowAt(rows, 25, 20), rows[1]);
  assert.equal(rowAt(rows, 25, 2), rows[2]);
  assert.equal(rowAt(rows, 55, 20), rows[3]);
  assert.equal(rowAt(rows, 500, 20), null);
});

test("the statuses of a row share its height by their time", () => {
  const row = { windows: { OK: 3, IDLE: 1 }, span_s: { OK: 3, IDLE: 1 } };
  const found = shares(row);
  assert.equal(found.at(-1).to, 1);
  assert.equal(found.find((one) => one.status === "IDLE").to, 1);
  const marks = shares({ windows: { NO_DATA: 1 }, span_s: { NO_DATA: 0 } });
  assert.deepEqual(marks, [{ status: "NO_DATA", from: 0, to: 1 }]);
});

test("zones fill the value axis once, with no gap and nothing beyond it", () => {
  const bands = zoneBands([1.4, 2.8, 4.5], 1, 3);
  assert.deepEqual(
    bands.map(({ letter, from, to }) => [letter, from, to]),
    [
      ["A", 1, 1.4],
      ["B", 1.4, 2.8],
      ["C", 2.8, 3],
    ],
  );
  assert.deepEqual(
    zoneBands([1.4, 2.8, 4.5], 5, 9).map(({ letter }) => letter),
    ["D"],
  );
});

test("the next worse zone is in the picture, where there is one", () => {
  const tree = { quantity: "velocity_rms_mm_s", rows: [{ low: 1, high: 1.2 }] };
  assert.ok(limits(tree)[1] < 1.4);
  const [, high] = limits({ ...tree, zones_mm_s: [1.4, 2.8, 4.5] });
  assert.ok(high > 1.4 && high < 2.8);
  assert.equal(withNextZone([1.4, 2.8, 4.5], 5), 5);
});

test("a slope is never without its interval, and steady where that holds nothing", () => {
  const rising = slopeWords({ percent_a_week: 3, low: 1.2, high: 4.9 });
  assert.equal(rising, "rising by 3 % (+1.2 % to +4.9 %) a week");
  assert.equal(
    slopeWords({ percent_a_week: -3, low: -5, high: 1 }),
    "steady (−5 % to +1 %) a week",
  );
});

test("a day and a span in words", () => {
  assert.equal(dayWords([]), "The last day: nothing");
  assert.equal(dayWords(["OK", "OK"]), "The last day: 2 h OK");
  const tree = { rows: [], tier_s: 600, from_ms: 0, to_ms: 1, n_events_left_out: 0, events: [] };
  assert.equal(tierWords(tree), "Nothing is known of this span.");
});
