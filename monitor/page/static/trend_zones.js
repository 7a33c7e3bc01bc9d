// Zones A to D of ISO 20816 behind a velocity: quiet bands with their letters, and what the letters mean.

import { el } from "./dom.js";

const ZONES = [
  ["A", "state-OK", "as good as new"],
  ["B", "state-IDLE", "may run without limit"],
  ["C", "state-BAD_DATA", "for a limited time"],
  ["D", "state-NG", "may do damage"],
];
const OPACITY = 0.13;

// Each zone's part of the value axis from low to high; limits: from A to B, B to C, C to D, in mm/s.
export function zoneBands(limits, low, high) {
  const edges = [0, ...limits, Number.POSITIVE_INFINITY];
  return ZONES.map(([letter, colour], i) => {
    const [from, to] = [Math.max(low, edges[i]), Math.min(high, edges[i + 1])];
    return { letter, colour, from, to };
  }).filter(({ from, to }) => from < to);
}

// So that the next worse zone is in the picture: how far it is away is what people want to know.
export function withNextZone(limits, high) {
  const next = limits?.find((limit) => limit > high);
  return next === undefined ? high : 1.1 * next;
}

// A series without points, under all others; nothing where the tree has no zones.
export function zoneSeries(tree, low, high, colours) {
  if (!tree.zones_mm_s) return [];
  const bands = zoneBands(tree.zones_mm_s, low, high).map(({ letter, colour, from, to }) => [
    { name: letter, yAxis: from, itemStyle: { color: colours[colour], opacity: OPACITY } },
    { yAxis: to },
  ]);
  const label = { show: true, position: "insideRight", color: colours.quiet, fontSize: 14 };
  const markArea = { silent: true, label, data: bands };
  return [{ type: "line", xAxisIndex: 0, yAxisIndex: 0, silent: true, z: 0, data: [], markArea }];
}

export function zoneLegend({ zones_mm_s: limits }) {
  if (!limits) return [];
  const reach = ["0", ...limits.map(String)];
  const items = ZONES.map(([letter, , meaning], i) => {
    const until = i < limits.length ? `${reach[i]} to ${reach[i + 1]}` : `above ${reach[i]}`;
    const swatch = el("i", { class: `zone ${letter}`, "aria-hidden": "true" });
    return el("span", {}, swatch, el("b", {}, letter), ` ${until} mm/s, ${meaning}`);
  });
  return [el("span", {}, "Zones of ISO 20816-3, by the limits configured now:"), ...items];
}
