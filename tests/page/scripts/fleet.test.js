// What comes first in the fleet, and what a search finds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { began, fits, grouped, order } from "../../../monitor/page/static/fleet.js";

const sensor = (name, more = {}) => ({
  sensor: name,
  status: "OK",
  alarm: "clear",
  muted: null,
  since_ms: 1000,
  since_known: true,
  probability: null,
  ratio: null,
  ...more,
});

test("alarms come first, then NG, then what was seen; the worse before the weaker", () => {
  const fleet = [
    sensor("a/ok"),
    sensor("b/seen", { status: "NG", alarm: "acknowledged" }),
    sensor("c/over", { alarm: "unseen" }),
    sensor("d/ng", { status: "NG" }),
    sensor("e/weak", { status: "NG", alarm: "raised", ratio: 1.2 }),
    sensor("f/worst", { status: "NG", alarm: "raised", ratio: 69 }),
    sensor("g/silent", { status: "NO_DATA" }),
    sensor("h/muted", { status: "OK", alarm: "raised", muted: { until_ms: 1 } }),
  ];
  const names = fleet.sort(order).map((one) => one.sensor);
  assert.deepEqual(names, [
    ...["f/worst", "e/weak", "d/ng", "c/over", "b/seen"],
    ...["g/silent", "a/ok", "h/muted"],
  ]);
});

test("numbers in names are counted, not spelled", () => {
  const names = ["m-10/a", "m-9/a"].map((name) => sensor(name)).sort(order);
  assert.equal(names[0].sensor, "m-9/a");
});

test("a search finds what the tile spells", () => {
  const one = sensor("Mill-2/Spindle", { status: "NO_DATA", alarm: "raised" });
  for (const text of ["mill-2 spindle", "spindle mill", "no data", "Mill-2/Spindle", "alarm", ""])
    assert.ok(fits(one, text), text);
  assert.ok(!fits(one, "mill-3"));
});

test("since counts from the alarm's beginning, not from the last flip", () => {
  const flipped = sensor("a/b", { alarm: "raised", alarm_since_ms: 10, since_ms: 90 });
  assert.deepEqual(began(flipped), { ms: 10, word: "alarm since" });
  assert.equal(began(sensor("a/b")).ms, 1000);
});

test("machines come in the order of their worst points", () => {
  const shown = ["b/x", "a/y", "b/z"].map((name) => sensor(name));
  assert.deepEqual([...grouped(shown).keys()], ["b", "a"]);
});
