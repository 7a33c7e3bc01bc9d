// The last day of a point, hour by hour, and how fast it rises: small enough for a tile.

import { el, show } from "./dom.js";
import { get } from "./net.js";
import { needTrendStyle } from "./trend_link.js";
import { meaning } from "./words.js";

const HOUR_MS = 3600e3;
const AT_ONCE = 25; // points of one question
const FRESH_MS = 600e3;

const known = new Map(); // sensor: { at, tree }
const waiting = new Map(); // sensor: its elements
let asking = false;

// An element that fills itself.
export function dayStrip(sensor) {
  needTrendStyle();
  const node = el("span", { class: "day-strip" });
  const found = known.get(sensor);
  if (found) fill(node, found.tree);
  if (!found || Date.now() - found.at > FRESH_MS) {
    waiting.set(sensor, [...(waiting.get(sensor) ?? []), node]);
    if (!asking) {
      asking = true;
      setTimeout(ask, 50);
    }
  }
  return node;
}

async function ask() {
  while (waiting.size) {
    const chosen = [...waiting.entries()].slice(0, AT_ONCE);
    for (const [sensor] of chosen) waiting.delete(sensor);
    const query = new URLSearchParams(chosen.map(([sensor]) => ["sensor", sensor]));
    const trees = await get(`api/trend/points?${query}`).catch(() => []);
    for (const tree of trees) {
      known.set(tree.sensor, { at: Date.now(), tree });
      for (const node of new Map(chosen).get(tree.sensor) ?? []) fill(node, tree);
    }
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
    tree.slope
      ? el("span", { class: "slope", title: intervalWords(tree.slope) }, slopeWords(tree.slope))
      : null,
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
