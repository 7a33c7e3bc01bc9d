// One point over one span: its chart, what a chosen row says, and its waterfalls. A view has one, or two side by side.

import { palette } from "./charts.js";
import { el, show } from "./dom.js";
import { exporting } from "./export.js";
import { addressIn, baseOfPoint, get, instanceOf } from "./net.js";
import { detailNodes, drawnWords, limits, rowAt, tierWords, trendOption } from "./trend_chart.js";
import { moves } from "./trend_moves.js";
import { clampSpan } from "./trend_span.js";
import { zoneLegend } from "./trend_zones.js";
import { againstBaseline, waterfall } from "./waterfall.js";
import { machineOf, pointOf } from "./words.js";

const RELOAD_MS = 150; // after the last movement
const REACH_PX = 4; // a finger hits no thinner row than that
const NO_BASELINE = "This point has no commissioned baseline of these bands.";
const SPANS = [
  ["1 min", 60e3],
  ["1 h", 3600e3],
  ["1 day", 86400e3],
  ["1 week", 7 * 86400e3],
  ["1 month", 30.5 * 86400e3],
  ["1 year", 365.25 * 86400e3],
];

// place has sensor, from and to in ms; common what all panes share: quantity, isRelative. loaded(pane) after each answer.
export function trendPane(echarts, place, common, loaded) {
  const state = { ...place, tree: null, chosen: null, turn: 0 };
  let left = false;
  let timer = null;
  let range = null; // of the value axis, where another pane has the same

  const caption = el("p", { class: "quiet trend-caption", role: "status" });
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const canvas = el("div", {
    class: "trend-chart",
    tabIndex: 0,
    role: "application",
    "aria-label":
      "Trend. Arrow keys move, plus and minus zoom, Home shows all, Enter takes the row in the middle.",
  });
  const detail = el("div", { class: "trend-detail", "aria-live": "polite" });
  const spectrum = waterfall("Mean spectrum", "dB");
  const map = waterfall("Mean map", "");
  const spans = el("div", { class: "trend-spans", role: "group", "aria-label": "Span" });
  show(spans, spanButtons());
  const title = el("h2", { class: "trend-whose" });
  const files = exporting(() => {
    const instance = instanceOf(state.sensor);
    return state.tree && { ...state, instance, tier_s: state.tree.tier_s };
  });
  const zones = el("p", { class: "zone-legend quiet" });
  const charts = [canvas, zones, detail, spectrum.node, map.node];
  const parts = [title, spans, trouble, caption, ...charts, files.node];
  const node = el("section", { class: "trend-pane" }, parts);
  let chart = null;

  function spanButtons() {
    const button = (word, work) => el("button", { type: "button", onclick: work }, word);
    const shift = (sign) => (sign * (state.to - state.from)) / 2;
    return [
      button("←", () => go(state.from + shift(-1), state.to + shift(-1))),
      ...SPANS.map(([word, ms]) => button(word, () => center(ms))),
      button("All", all),
      button("→", () => go(state.from + shift(1), state.to + shift(1))),
    ];
  }

  // A span of this length: around the row that was chosen, else at the end of what is shown.
  function center(ms) {
    const row = state.chosen;
    const end = row
      ? (row.start_ms + row.end_ms + ms) / 2
      : Math.min(state.to, state.tree?.last_ms ?? state.to);
    go(end - ms, end);
  }

  function all() {
    if (state.tree) go(state.tree.first_ms, state.tree.last_ms);
  }

  function go(from, to) {
    const span = clampSpan(from, to, state.tree);
    Object.assign(state, span);
    state.turn += 1; // an answer that is under way is of the span before
    chart?.setOption({ xAxis: [0, 1].map(() => ({ min: span.from, max: span.to })) });
    clearTimeout(timer);
    timer = setTimeout(load, RELOAD_MS);
  }

  async function load() {
    clearTimeout(timer);
    state.turn += 1;
    const { turn } = state;
    const query = new URLSearchParams({ sensor: state.sensor, bands: 1 });
    if (common.quantity) query.set("quantity", common.quantity);
    if (state.from !== null) {
      query.set("from_ms", Math.round(state.from));
      query.set("to_ms", Math.round(state.to));
    }
    try {
      const tree = await get(`${baseOfPoint(state.sensor)}api/trend?${query}`);
      if (left || turn !== state.turn) return;
      Object.assign(state, { tree, from: tree.from_ms, to: tree.to_ms });
      trouble.hidden = true;
      loaded(pane);
      files.again();
    } catch (error) {
      if (left) return;
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  }

  const option = () => trendOption(echarts, state.tree, state.chosen, palette(), range);

  function draw(shared) {
    const { tree } = state;
    if (!tree) return;
    range = shared;
    chart ??= echarts.init(canvas, null, { renderer: "canvas" });
    title.textContent = `${machineOf(tree.sensor)} ${pointOf(tree.sensor)}`;
    caption.textContent = [tierWords(tree) + drawnWords(tree), tree.formerly].join(" ");
    show(zones, zoneLegend(tree));
    chart.setOption(option(), true);
    drawSpectrum(tree.bands);
    const maps = tree.bands?.maps ?? {};
    const kind = maps[tree.quantity] ? tree.quantity : Object.keys(maps)[0];
    map.draw(tree.bands, maps[kind] ?? null, state, kind);
  }

  function drawSpectrum(bands) {
    if (!common.isRelative) return spectrum.draw(bands, bands?.spectrum_db ?? null, state);
    const columns = againstBaseline(bands);
    const kind = "against the commissioned baseline";
    spectrum.draw(bands, columns, state, kind, true, NO_BASELINE);
  }

  function pick(ms) {
    const perPixel = (state.to - state.from) / canvas.clientWidth;
    state.chosen = rowAt(state.tree?.rows ?? [], ms, REACH_PX * perPixel);
    const instance = instanceOf(state.sensor);
    const addressOf = (row) => addressIn(instance, state.sensor, `row/${row}`);
    show(detail, state.chosen ? detailNodes(state.tree, state.chosen, addressOf, zoomInto) : []);
    chart?.setOption(option(), true);
  }

  const zoomInto = (row) => go(row.start_ms, row.end_ms);

  const stopMoves = moves(canvas, state, {
    go,
    pick,
    all,
    atPixel: (x) => chart?.convertFromPixel({ xAxisIndex: 0 }, x),
  });

  function reset(sensor = state.sensor) {
    Object.assign(state, { sensor, chosen: null });
    show(detail);
    load();
  }

  function stop() {
    left = true;
    clearTimeout(timer);
    stopMoves();
    chart?.dispose();
  }

  const resize = () => chart?.resize();
  const pane = { node, state, load, draw, reset, resize, stop };
  return pane;
}

// From the smallest to the largest value of all panes, so that they can be compared.
export function commonLimits(trees) {
  const found = trees.filter(Boolean).map(limits);
  return [Math.min(...found.map(([low]) => low)), Math.max(...found.map(([, high]) => high))];
}
