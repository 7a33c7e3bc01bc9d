// How things are said: what is written can be read back, and nothing is said twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bandWords,
  hz,
  machineOf,
  percent,
  plain,
  pointOf,
  STATUSES,
  signed,
  span,
  statusWord,
} from "../../../monitor/page/static/words.js";

const number = (text) => Number(text.replace("−", "-").replace("+", ""));
const VALUES = [-1e4, -12.345, -0.5, -0.0004, -0, 0, 0.0004, 0.0125, 1, 9.995, 321.987, 1e6];

test("a number comes back to within half of its last digit", () => {
  for (const value of VALUES)
    for (const digits of [0, 1, 3, 4])
      for (const write of [plain, signed]) {
        const off = Math.abs(number(write(value, digits)) - value);
        assert.ok(off <= 0.5 * 10 ** -digits + 1e-9, `${write.name}(${value}, ${digits})`);
      }
});

test("zero has no minus, whatever rounding made it zero", () => {
  for (const value of [-0, 0, -0.0004, 0.0004]) {
    assert.equal(plain(value), "0.000");
    assert.equal(signed(value), "+0.000");
  }
});

test("no number is a dash", () => {
  assert.equal(plain(null), "–");
  assert.equal(plain(undefined), "–");
});

test("a frequency comes back to within one percent", () => {
  for (let f = 0.5; f < 60_000; f *= 1.37) {
    const said = hz(f);
    const scale = said.endsWith("kHz") ? 1000 : 1;
    assert.ok(Math.abs(Number.parseFloat(said) * scale - f) <= Math.max(0.06, 0.01 * f), said);
  }
});

test("a band names both of its edges, with one unit where they share it", () => {
  assert.equal(bandWords(3090, 4910), "3.09–4.91 kHz");
  assert.equal(bandWords(120, 240), "120–240 Hz");
  assert.equal(bandWords(800, 1250), "800 Hz – 1.25 kHz");
  assert.equal(bandWords(0, 62.5), "0–62.5 Hz");
});

test("a span of time never grows shorter as time goes by", () => {
  const seconds = (said) =>
    said.split(/(?<=[a-z]) /).reduce((sum, part) => {
      const [n, unit] = part.split(" ");
      return sum + Number(n) * { s: 1, min: 60, h: 3600, d: 86400 }[unit];
    }, 0);
  let before = -1;
  for (let s = 0; s < 3 * 86400; s += 37) {
    const now = seconds(span(1000 * s));
    assert.ok(now <= s && now >= before, `${s} s is said as ${span(1000 * s)}`);
    before = now;
  }
  assert.equal(span(-5000), "0 s");
});

test("a sensor's name is cut at its last level", () => {
  for (const sensor of ["mill 2/spindle", "hall/3/pump/bearing", "/x", "a/"])
    assert.equal(`${machineOf(sensor)}/${pointOf(sensor)}`, sensor);
});

test("statuses are six, and one of pages that are not heard, in words", () => {
  assert.equal(new Set(STATUSES).size, 7);
  assert.equal(STATUSES[0], "NG");
  assert.equal(statusWord("BAD_DATA"), "BAD DATA");
  assert.equal(percent(0.876), "88 %");
});
