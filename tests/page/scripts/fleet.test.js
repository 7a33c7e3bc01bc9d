// What comes first in the fleet, and what a search finds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { began, bySlope, fits, order } from "../../../monitor/page/static/fleet.js";
import {
  groupChoices,
  grouped,
  groupOf,
  nameWithin,
} from "../../../monitor/page/static/fleet_groups.js";

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

test("groups come in the order of their worst points", () => {
  const shown = ["b/x", "a/y", "b/z"].map((name) => sensor(name));
  assert.deepEqual([...grouped(shown, "machine").keys()], ["b", "a"]);
});

test("levels are told by dots and slashes, and a short name stands for itself", () => {
  const name = "hamburg.line-3.pump-1/bearing";
  assert.deepEqual(
    [1, 2, 3, 4].map((level) => groupOf(name, level)),
    ["hamburg", "hamburg.line-3", "hamburg.line-3.pump-1", "hamburg.line-3.pump-1"],
  );
  assert.equal(groupOf("hall 0/machine 1/bearing 2", 1), "hall 0");
  assert.equal(groupOf("pump-1/bearing", "2"), "pump-1");
});

test("below a level's title a machine is called by the rest of its name", () => {
  const name = "hamburg.line-3.pump-1/bearing";
  assert.equal(nameWithin(name, 1), "line-3.pump-1");
  assert.equal(nameWithin(name, 2), "pump-1");
  assert.equal(nameWithin(name, "machine"), "hamburg.line-3.pump-1");
  assert.equal(nameWithin("pump-1/bearing", 1), "pump-1");
});

test("only levels that tell something are offered", () => {
  const values = (names) => groupChoices(names).map(([value]) => value);
  assert.deepEqual(values([]), ["none", "machine"]);
  assert.deepEqual(values(["pump-1/a", "pump-2/b"]), ["none", "machine"]);
  const names = ["a.x.p-1/s", "a.x.p-2/s", "a.y.p-3/s", "b.z.p-4/s"];
  assert.deepEqual(values(names), ["none", "machine", "1", "2"]);
  assert.deepEqual(values(names.slice(0, 3)), ["none", "machine", "2"]); // all are of a
  assert.equal(groupChoices(names)[2][1], "By level 1: a, b");
  assert.equal(groupChoices(names)[3][1], "By level 2: a.x, a.y, …");
});

test("by slope, what surely rises leads, a steep guess does not, and what is not known is last", () => {
  const slopes = {
    "a/none": null,
    "b/falls": { percent_a_week: -4, low: -5, high: -3 },
    "c/guess": { percent_a_week: 30, low: -20, high: 80 },
    "d/sure": { percent_a_week: 3, low: 2, high: 4 },
    "e/slow": { percent_a_week: 3.5, low: 0.5, high: 7 },
  };
  const shown = Object.keys(slopes).map((name) => sensor(name));
  shown.push(sensor("z/alarm", { status: "NG", alarm: "raised" }));
  const names = shown.sort(bySlope((name) => slopes[name])).map((one) => one.sensor);
  assert.deepEqual(names, ["d/sure", "e/slow", "b/falls", "c/guess", "z/alarm", "a/none"]);
});
