// What charts are drawn from: sums that add up, scales that cover, colours that are symmetric.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  evidenceColour,
  fitLimit,
  frequencyScale,
  hasBias,
  limitChoices,
  logTicks,
  ratioScale,
  scaleWords,
  spectrumLimits,
  steps,
  stepsOption,
  timelineOption,
} from "../../../monitor/page/static/charts.js";

const COLOURS = {
  neutral: "#808080",
  "for-ng": "#d9480f",
  "for-ok": "#1c6fb5",
  text: "#000000",
  quiet: "#555555",
  line: "#cccccc",
  panel: "#ffffff",
  accent: "#0b6aa8",
};
const EDGES = [0, 100, 250, 500, 1000];

function evidenceOf(unit, bias, bands, threshold = 1) {
  const score = bias + bands.reduce((sum, value) => sum + value, 0);
  const parts = bands.map((_, index) => [index, index]);
  return { kind: unit, unit, bias, bands, parts, score, threshold };
}
const rowOf = (...evidence) => ({ evidence, maps: { f_edges_hz: EDGES } });

test("the bars end where the score stands, for every kind", () => {
  for (const evidence of [
    evidenceOf("logit", -1.2, [0.4, -0.3, 2.5, 0]),
    evidenceOf("novelty", 0, [0.1, 0.2, 30, 0]),
    evidenceOf("crest factor", 1, [2, 1, 0.5, 0.25]),
  ]) {
    const { found, reached, limit } = steps(rowOf(evidence), evidence);
    assert.ok(Math.abs(reached - evidence.score) < 1e-12);
    assert.equal(found.at(-1).to, evidence.score);
    assert.equal(found.length, evidence.bands.length + 1 + Number(hasBias(evidence)));
    for (let i = 1; i < found.length - 1; i += 1) assert.equal(found[i].from, found[i - 1].to);
    assert.equal(limit, 1);
  }
});

test("bands that are one part are one bar, in the window compared as well", () => {
  const parts = [
    [0, 1],
    [2, 2],
    [3, 3],
  ];
  const here = { ...evidenceOf("logit", -1, [0.1, 0.2, 3, 4]), parts };
  const other = rowOf(evidenceOf("logit", -1, [0.5, 0.25, 1, 1]));
  const { found, reached } = steps(rowOf(here), here);
  assert.equal(found.length, parts.length + 2);
  assert.ok(Math.abs(reached - here.score) < 1e-12);
  assert.ok(Math.abs(found[1].value - 0.3) < 1e-12);
  const { series } = stepsOption(rowOf(here), here, COLOURS, other);
  assert.match(series[0].tooltip.formatter({ dataIndex: 1 }), /last OK: \+0\.75/);
});

test("a logit begins at its bias even where that is zero; another score only where it has one", () => {
  assert.equal(hasBias(evidenceOf("logit", 0, [1])), true);
  assert.equal(hasBias(evidenceOf("novelty", 0, [1])), false);
  assert.equal(hasBias(evidenceOf("crest factor", 1, [1])), true);
});

test("the axis of the bars holds every bar and the threshold", () => {
  const evidence = evidenceOf("logit", -3, [0.4, -0.3, 2.5, 9], 12);
  const { xAxis } = stepsOption(rowOf(evidence), evidence, COLOURS, null);
  for (const value of [-3, 0, evidence.score, 12])
    assert.ok(xAxis.min < value && value < xAxis.max, `${value}`);
});

test("evidence is compared with the same kind alone", () => {
  const here = evidenceOf("logit", -1, [1, 2, 3, 4]);
  const other = rowOf(evidenceOf("novelty", 0, [9, 9, 9, 9]));
  const { series } = stepsOption(rowOf(here), here, COLOURS, other);
  assert.ok(!series[0].tooltip.formatter({ dataIndex: 0 }).includes("last OK"));
  const same = stepsOption(rowOf(here), here, COLOURS, rowOf(here));
  assert.ok(same.series[0].tooltip.formatter({ dataIndex: 0 }).includes("last OK"));
});

test("colour grows with evidence, is neutral without, and stays at its end", () => {
  assert.equal(evidenceColour(COLOURS, 0, 1), COLOURS.neutral);
  assert.equal(evidenceColour(COLOURS, 1, 1), COLOURS["for-ng"]);
  assert.equal(evidenceColour(COLOURS, -7, 1), COLOURS["for-ok"]);
  assert.equal(evidenceColour(COLOURS, 50, 1), COLOURS["for-ng"]);
  const red = (share) => Number.parseInt(evidenceColour(COLOURS, share, 1).slice(1, 3), 16);
  for (let share = 0; share < 1; share += 0.1) assert.ok(red(share + 0.1) >= red(share));
});

test("the choices of full colour hold the limit itself, in rising order", () => {
  for (const limit of [0.002, 0.01, 0.2, 5]) {
    const choices = limitChoices(limit);
    assert.ok(choices.includes(limit), `${limit} in ${choices}`);
    assert.deepEqual(
      choices,
      [...choices].sort((a, b) => a - b),
    );
  }
});

test("the spectrum's range covers its middle and is at least 20 dB", () => {
  const flat = spectrumLimits([[-40, -40.5, -41]]);
  assert.ok(flat[1] - flat[0] >= 20);
  const wide = [Array.from({ length: 200 }, (_, i) => -100 + i / 2)];
  const [low, high] = spectrumLimits(wide);
  assert.ok(low <= -90 && high >= -3);
  assert.deepEqual(spectrumLimits([[-300, -999]]), [-100, 0]); // silence: nothing to go by
});

test("equal bands are equally high and named by their edges", () => {
  const scale = frequencyScale(EDGES, "equal");
  for (let i = 1; i < EDGES.length; i += 1) assert.equal(scale.of(i) - scale.of(i - 1), 1);
  assert.equal(scale.name(2), "250 Hz");
  const linear = frequencyScale(EDGES, "linear");
  assert.deepEqual(
    EDGES.map((_, i) => linear.of(i)),
    EDGES,
  );
});

test("an octave is equally high everywhere on the logarithmic axis", () => {
  const scale = frequencyScale([0, 125, 250, 500, 1000], "log");
  for (let i = 0; i < 4; i += 1)
    assert.ok(Math.abs(scale.of(i + 1) - scale.of(i) - Math.log10(2)) < 1e-12);
  assert.equal(scale.bottom, scale.of(0));
  assert.equal(scale.name(Math.log10(500)), "500 Hz");
  assert.deepEqual(logTicks(30, 1200), [50, 100, 200, 500, 1000]);
});

test("full colour never lies below the strongest cell, and is the usual one else", () => {
  const evidence = (value) => ({
    full_colour: 0.1,
    cells: [
      [0, value],
      [-0.02, 0],
    ],
  });
  assert.equal(fitLimit(evidence(0.05)), 0.1);
  assert.equal(fitLimit(evidence(4.57)), 5);
  assert.equal(fitLimit(evidence(-0.3)), 0.5);
  assert.equal(fitLimit(undefined), 1);
});

test("the ratio's axis holds every ratio and the limit", () => {
  for (const ratios of [[0.2, 69], [1], [], [0.03, 0.5], [1e-9, 3], [4000]]) {
    const { bottom, top, type } = ratioScale(ratios);
    assert.equal(type, "log");
    assert.ok(bottom < 1 && top > 1);
    for (const ratio of ratios) assert.ok(ratio <= top && (ratio >= bottom || bottom === 0.01));
  }
});

test("the time line shows P(NG) where there is one, else the ratio and whose it is", () => {
  const window = (more) => ({
    row: 1,
    start_ms: 0,
    end_ms: 1000,
    status: "OK",
    reason: "",
    probability: null,
    threshold: null,
    ratio: null,
    ratio_of: null,
    ...more,
  });
  const byNetwork = timelineOption(
    null,
    [window({ probability: 0.2, threshold: 0.5 })],
    1,
    COLOURS,
  );
  assert.ok(byNetwork.yAxis[0].name.startsWith("P(NG)"));
  assert.deepEqual(byNetwork.series[0].data, [[1000, 0.2]]);
  const byCrest = timelineOption(null, [window({ ratio: 1.5, ratio_of: "crest" })], 1, COLOURS);
  assert.ok(byCrest.yAxis[0].name.startsWith("crest ÷ its limit (log)"));
  assert.deepEqual(byCrest.series[1].data, [[1000, 1]]);
});

test("a window without evidence, of a sensor that is learning, has the spectrum alone", () => {
  const look = { chosen: "fit", limit: fitLimit(undefined), spectrumLimits: [-60, 10] };
  assert.equal(scaleWords(undefined, look), "spectrum −60 to 10 dB");
  const words = (evidence, more) => scaleWords(evidence, { ...look, ...more });
  assert.match(words({ full_colour: 1 }, {}), /^, the same for every window · spectrum/);
  assert.match(words({ full_colour: 1 }, { limit: 2 }), /^, scaled by this window; 1 for others/);
  assert.match(words({ full_colour: 1 }, { chosen: "5" }), /^, as chosen/);
});
