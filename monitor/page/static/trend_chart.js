// The chart of a trend: a figure's spread and middle, threshold, statuses and marks; and a row in words.

import { indicatorWord } from "./condition.js";
import { el } from "./dom.js";
import { withNextZone, zoneSeries } from "./trend_zones.js";
import { fullTime, kindWord, plain, STATUSES, span, statusWord } from "./words.js";

const FONT = '"DejaVu Sans", "Segoe UI", system-ui, sans-serif';
const NAME_LEFT_PX = 48; // a phone has no room to begin at the axis
const LABEL = { fontSize: 13 };
const DAY_MS = 86400e3;
// No grid grows narrower for a long name: both have one time axis.
const ALIGNED = { outerBoundsMode: "none" };
export const MARGINS = { left: 64, right: 14 };

const WORDS = { probability: "P(NG)", network: "network (logit)", novelty: "novelty" };
export const quantityWord = (name) => WORDS[name] ?? indicatorWord(name);

const TIERS = { 0: "single windows", 600: "ten minutes", 3600: "hours", 86400: "days" };

export function tierWords(tree) {
  const n = tree.rows.length;
  const windows = tree.rows.reduce((sum, row) => sum + count(row.windows), 0);
  const outOf = tree.tier_s ? `, ${windows.toLocaleString()} windows` : "";
  const events = tree.n_events_left_out
    ? ` Of the marks, the newest ${tree.events.length} are shown.`
    : "";
  if (!n) return "Nothing is known of this span.";
  return `${n} ${TIERS[tree.tier_s]}${outOf}, over ${lengthWords(tree.to_ms - tree.from_ms)}.${events}`;
}

const lengthWords = (ms) => (ms < 3 * DAY_MS ? span(ms) : `${Math.round(ms / DAY_MS)} days`);

const count = (windows) => Object.values(windows).reduce((sum, n) => sum + n, 0);

// From the smallest to the largest value, thresholds within; P(NG) always from 0 to 1.
export function limits(tree) {
  if (tree.quantity === "probability") return [0, 1];
  const values = tree.rows
    .flatMap((row) => [row.low, row.high, row.threshold])
    .filter((value) => value !== undefined && value !== null);
  if (!values.length) return [0, 1];
  const low = Math.min(...values);
  const high = withNextZone(tree.zones_mm_s, Math.max(...values));
  const room = 0.05 * (high - low || Math.abs(high) || 1);
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

// The row at a time. Where rows are thinner than the reach: an NG near it, else the nearest.
export function rowAt(rows, ms, reach) {
  const under = rows.find((row) => row.start_ms <= ms && ms <= row.end_ms) ?? null;
  if (under && under.end_ms - under.start_ms > 2 * reach) return under;
  const distance = (row) => Math.abs((row.start_ms + row.end_ms) / 2 - ms);
  const near = rows.filter((row) => row.end_ms > ms - reach && row.start_ms < ms + reach);
  near.sort((a, b) => (b.status === "NG") - (a.status === "NG") || distance(a) - distance(b));
  return near[0] ?? under;
}

// The statuses of a row, one upon another: each as high as its share of the time.
export function shares(row) {
  const known = STATUSES.filter((status) => row.windows[status]);
  const weight = (status) => row.span_s[status] || 0;
  const whole = known.reduce((sum, status) => sum + weight(status), 0);
  let reached = 0;
  return known.map((status) => {
    const share = whole ? weight(status) / whole : 1 / known.length;
    reached += share;
    return { status, from: reached - share, to: reached };
  });
}

// range: of the value axis, where it is not the tree's own
export function trendOption(echarts, tree, chosen, colours, range) {
  const [low, high] = range ?? limits(tree);
  const axis = {
    axisLine: { lineStyle: { color: colours.line } },
    axisLabel: { ...LABEL, color: colours.quiet, hideOverlap: true },
  };
  const time = { ...axis, type: "time", min: tree.from_ms, max: tree.to_ms };
  const words = (item) => rowWords(tree, tree.rows[item.dataIndex]);
  const rows = (renderItem, data, on) => ({
    type: "custom",
    xAxisIndex: on,
    yAxisIndex: on,
    clip: true,
    data,
    renderItem,
    tooltip: { formatter: words },
  });
  const figure = tree.rows.map((row) => [row.start_ms, row.low ?? low]);
  return {
    animation: false,
    textStyle: { color: colours.text, fontFamily: FONT },
    grid: [
      { ...MARGINS, ...ALIGNED, top: 34, bottom: 76 },
      { ...MARGINS, ...ALIGNED, bottom: 30, height: 26 },
    ],
    tooltip: {
      trigger: "item",
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.line,
      textStyle: { color: colours.text },
    },
    xAxis: [
      { ...time, gridIndex: 0, axisLabel: { show: false } },
      { ...time, gridIndex: 1, axisTick: { show: false } },
    ],
    yAxis: [
      {
        ...axis,
        type: "value",
        gridIndex: 0,
        min: low,
        max: high,
        name: quantityWord(tree.quantity),
        nameTextStyle: {
          ...LABEL,
          color: colours.quiet,
          align: "left",
          padding: [0, 0, 0, -NAME_LEFT_PX],
        },
        axisLabel: {
          ...axis.axisLabel,
          showMinLabel: low === 0,
          showMaxLabel: high === 1,
          formatter: (value) => String(Number(value.toPrecision(3))),
        },
        splitLine: { lineStyle: { color: colours.line } },
      },
      { type: "value", gridIndex: 1, min: 0, max: 1, show: false },
    ],
    series: [
      ...zoneSeries(tree, low, high, colours),
      {
        ...rows(spreadShape(tree, colours, echarts), figure, 0),
        markArea: chosen ? chosenArea(chosen, colours) : undefined,
      },
      rows(
        statusShape(tree, colours, echarts),
        tree.rows.map((row) => [row.start_ms, 0]),
        1,
      ),
      marks(tree, colours, high),
    ],
  };
}

function chosenArea(row, colours) {
  return {
    silent: true,
    itemStyle: { color: colours.quiet, opacity: 0.25 },
    data: [[{ xAxis: row.start_ms }, { xAxis: row.end_ms }]],
  };
}

function spreadShape(tree, colours, echarts) {
  return (params, api) => {
    const row = tree.rows[params.dataIndex];
    if (row.n === undefined) return null;
    const at = (ms, value) => api.coord([ms, value]);
    const [x0, top] = at(row.start_ms, row.high);
    const [x1, bottom] = at(row.end_ms, row.low);
    const width = Math.max(1.5, x1 - x0);
    const area = { x: x0, y: top, width, height: Math.max(1, bottom - top) };
    const children = [];
    const add = (shape, style) => {
      const clipped = echarts.graphic.clipRectByRect(shape, params.coordSys);
      if (clipped) children.push({ type: "rect", shape: clipped, style });
    };
    const line = (value, thick, style) =>
      add({ x: x0, y: at(row.start_ms, value)[1] - thick / 2, width, height: thick }, style);
    add(area, { fill: colours.accent, opacity: 0.22 });
    line(row.p95, 1.5, { fill: colours.accent, opacity: 0.75 });
    line(row.median, 2.5, { fill: colours.accent });
    if (row.threshold !== null && row.threshold !== undefined) {
      const y = at(row.start_ms, row.threshold)[1];
      const shape = { x1: x0, x2: x0 + width, y1: y, y2: y };
      const style = { stroke: colours.text, lineDash: [4, 4], lineDashOffset: x0, lineWidth: 1.2 };
      children.push({ type: "line", shape, style });
    }
    return { type: "group", children };
  };
}

function statusShape(tree, colours, echarts) {
  return (params, api) => {
    const row = tree.rows[params.dataIndex];
    const children = shares(row).flatMap(({ status, from, to }) => {
      const [x0, top] = api.coord([row.start_ms, to]);
      const [x1, bottom] = api.coord([row.end_ms, from]);
      const whole = { x: x0, y: top, width: Math.max(1.5, x1 - x0 + 0.6), height: bottom - top };
      const shape = echarts.graphic.clipRectByRect(whole, params.coordSys);
      return shape ? [{ type: "rect", shape, style: { fill: colours[`state-${status}`] } }] : [];
    });
    return { type: "group", children };
  };
}

function marks(tree, colours, high) {
  const alarms = new Set(["alarm_raised", "alarm_cleared"]);
  const colourOf = (event) => (alarms.has(event.kind) ? colours.ng : colours.accent);
  return {
    type: "scatter",
    xAxisIndex: 0,
    yAxisIndex: 0,
    symbol: "triangle",
    symbolSize: 11,
    symbolRotate: 180,
    data: tree.events.map((event) => ({
      value: [event.at_ms, high],
      itemStyle: { color: colourOf(event) },
    })),
    tooltip: {
      formatter: (item) => {
        const event = tree.events[item.dataIndex];
        return `${kindWord(event.kind)}\n${fullTime(event.at_ms)}\n${event.text.slice(0, 120)}`;
      },
    },
    markLine: {
      silent: true,
      symbol: "none",
      label: { show: false },
      data: tree.events.map((event) => ({
        xAxis: event.at_ms,
        lineStyle: { color: colourOf(event), type: "solid", width: 1, opacity: 0.5 },
      })),
    },
  };
}

const shown = (value) => plain(value, Math.abs(value) >= 100 ? 0 : 3);

function rowWords(tree, row) {
  const statuses = Object.entries(row.windows).map(([s, n]) => `${n} ${statusWord(s)}`);
  const lines = [fullTime(row.start_ms), statuses.join(", ")];
  if (row.n !== undefined)
    lines.push(
      `${quantityWord(tree.quantity)} ${shown(row.low)} to ${shown(row.high)}`,
      `mean ${shown(row.mean)}, median ${shown(row.median)}, 95 % below ${shown(row.p95)}`,
    );
  return lines.join("\n");
}

// A chosen row, and the ways from it to its windows. addressOf(row): a link to a window.
export function detailNodes(tree, row, addressOf, zoomInto) {
  const until = tree.tier_s ? ` – ${fullTime(row.end_ms)}` : "";
  const [, ...lines] = rowWords(tree, row).split("\n");
  const wayIn = tree.tier_s
    ? el("button", { type: "button", onclick: () => zoomInto(row) }, "Zoom into it")
    : null;
  return [
    el("p", {}, el("strong", {}, `${fullTime(row.start_ms)}${until}`)),
    el("p", {}, lines.join(" · ")),
    el("p", { class: "trend-ways" }, worstNodes(tree, row, addressOf), wayIn),
  ];
}

// The way to a row's worst window, or that it is gone: rows of trends outlast windows.
function worstNodes(tree, row, addressOf) {
  if (!row.worst) return null;
  const quiet = (words) => el("span", { class: "quiet" }, words);
  if (!row.worst_kept) return quiet("Its worst window is no longer kept.");
  const words = tree.tier_s ? "Open its worst window" : "Open this window";
  const link = el("a", { href: addressOf(row.worst) }, words);
  if (row.worst_kept === "samples" || !tree.tier_s) return link;
  return el("span", {}, link, " ", quiet("(its raw samples are not kept)"));
}

// What the marks of the chart are. Single windows have no range.
export function drawnWords({ tier_s, rows }) {
  const has = ({ threshold }) => threshold !== undefined && threshold !== null;
  const parts = [
    tier_s === 0 ? null : "range, median and 95 %",
    rows.some(has) ? "threshold dashed" : null,
  ].filter(Boolean);
  return parts.length ? ` Drawn: ${parts.join(", ")}.` : "";
}
