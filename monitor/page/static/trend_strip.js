// The last day of a point, hour by hour, and how fast it rises: small enough for a tile.

import { el, show } from "./dom.js";
import { baseOfPoint, get } from "./net.js";
import { needTrendStyle } from "./trend_link.js";
import { meaning } from "./words.js";

const HOUR_MS = 3600e3;
const AT_ONCE = 25; // points of one question
const FRESH_MS = 600e3;

const known = new Map(); // sensor: { at, tree }
const waiting = new Map(); // sensor: its elements
const listeners = new Set(); // called when slopes have come
let asking = false;

// What is known of a point's slope; null where there is none, or not yet.
export const slopeOf = (sensor) => known.get(sensor)?.tree.slope ?? null;

// Ask for the slopes of these points, and call back each time that some have come. Returns what stops that.
export function onSlopes(work) {
  listeners.add(work);
  return () => listeners.delete(work);
}

export function askSlopes(sensors) {
  for (const sensor of sensors) if (isOld(sensor)) want(sensor, []);
}

// An element that fills itself.
export function dayStrip(sensor) {
  needTrendStyle();
  const node = el("span", { class: "day-strip" });
  const found = known.get(sensor);
  if (found) fill(node, found.tree);
  if (isOld(sensor)) want(sensor, [node]);
  return node;
}

const isOld = (sensor) => !(Date.now() - known.get(sensor)?.at <= FRESH_MS);

function want(sensor, nodes) {
  waiting.set(sensor, [...(waiting.get(sensor) ?? []), ...nodes]);
  if (asking) return;
  asking = true;
  setTimeout(ask, 50);
}

// How fast it rises, with the interval; empty where that is not known.
export function slopeNode(sensor) {
  const slope = slopeOf(sensor);
  if (!slope) return null;
  return el("span", { class: "slope", title: intervalWords(slope) }, slopeWords(slope));
}

async function ask() {
  while (waiting.size) {
    const base = baseOfPoint(waiting.keys().next().value); // one instance is asked at a time
    const chosen = [...waiting.entries()]
      .filter(([sensor]) => baseOfPoint(sensor) === base)
      .slice(0, AT_ONCE);
    for (const [sensor] of chosen) waiting.delete(sensor);
    const query = new URLSearchParams(chosen.map(([sensor]) => ["sensor", sensor]));
    const trees = await get(`${base}api/trend/points?${query}`).catch(() => []);
    for (const tree of trees) {
      known.set(tree.sensor, { at: Date.now(), tree });
      for (const node of new Map(chosen).get(tree.sensor) ?? []) fill(node, tree);
    }
    for (const work of listeners) work();
  }
  asking = false;
}

function fill(node, tree) {
  const hours = new Map(tree.hours.map((hour) => [hour.start_ms, hour.status]));
  const first = Math.ceil(tree.from_ms / HOUR_MS) * HOUR_MS;
  const starts = Array.from({ length: 24 }, (_, index) => first + index * HOUR_MS);
  const cells = starts.map((start) => {
    const status = hours.get(start) ?? "";
    return el("i", { class: status ? `hour ${status}` : "hour" });
  });
  node.title = dayWords([...hours.values()]);
  show(
    node,
    el("span", { class: "hours", role: "img", "aria-label": node.title }, cells),
    slopeNode(tree.sensor),
  );
}

export function dayWords(statuses) {
  const counts = new Map();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = [...counts].map(([status, n]) => `${n} h ${meaning(status)}`);
  return `The last day: ${parts.join(", ") || "nothing"}`;
}

// Never without its interval; what may as well be nothing is called steady.
export function slopeWords({ percent_a_week, low, high }) {
  const interval = `(${percentWords(low)} to ${percentWords(high)})`;
  if (low <= 0 && high >= 0) return `steady ${interval} a week`;
  const way = percent_a_week > 0 ? "rising" : "falling";
  return `${way} by ${Math.abs(percent_a_week)} % ${interval} a week`;
}

const percentWords = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value)} %`;

const intervalWords = (slope) =>
  `${slope.quantity}, means of ${slope.n_days} days; the interval holds in 95 of 100 cases`;
