// Years of a point in one picture: a figure with its spread, its statuses, what happened, and how spectrum and map moved.

import { loadCharts, palette } from "./charts.js";
import { el, show } from "./dom.js";
import { get } from "./net.js";
import { detailNodes, quantityWord, rowAt, tierWords, trendOption } from "./trend_chart.js";
import { needTrendStyle } from "./trend_link.js";
import { moves } from "./trend_moves.js";
import { clampSpan, linkOf, parseLink } from "./trend_span.js";
import { waterfall } from "./waterfall.js";
import { machineOf, pointOf } from "./words.js";

const RELOAD_MS = 150; // after the last movement
const REACH_PX = 4; // a finger hits no thinner row than that
const SPANS = [
  ["1 min", 60e3],
  ["1 h", 3600e3],
  ["1 day", 86400e3],
  ["1 week", 7 * 86400e3],
  ["1 month", 30.5 * 86400e3],
  ["1 year", 365.25 * 86400e3],
];

export function trendView(view, sensor, spanText, quantityText) {
  const state = { ...parseLink(spanText, quantityText), tree: null, chosen: null, turn: 0 };
  let left = false;
  let chart = null;
  let echarts = null;
  let timer = null;
  needTrendStyle();

  const quantity = el("select", { "aria-label": "Quantity", onchange: () => choose() });
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
  const point = `#/point/${encodeURIComponent(sensor)}`;
  show(
    view,
    el(
      "div",
      { class: "bar" },
      el("h1", {}, el("a", { href: point }, `${machineOf(sensor)} ${pointOf(sensor)}`), " · trend"),
      quantity,
    ),
    el("div", { class: "trend-spans", role: "group", "aria-label": "Span" }, spanButtons()),
    trouble,
    caption,
    canvas,
    detail,
    spectrum.node,
    map.node,
  );

  function spanButtons() {
    const button = (word, work) => el("button", { type: "button", onclick: work }, word);
    return [
      button("←", () =>
        go(state.from - (state.to - state.from) / 2, state.to - (state.to - state.from) / 2),
      ),
      ...SPANS.map(([word, ms]) => button(word, () => center(ms))),
      button("All", all),
      button("→", () =>
        go(state.from + (state.to - state.from) / 2, state.to + (state.to - state.from) / 2),
      ),
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
    chart?.setOption({ xAxis: [0, 1].map(() => ({ min: span.from, max: span.to })) });
    clearTimeout(timer);
    timer = setTimeout(load, RELOAD_MS);
  }

  function choose() {
    state.quantity = quantity.value;
    state.chosen = null;
    show(detail);
    load();
  }

  async function load() {
    clearTimeout(timer);
    state.turn += 1;
    const { turn } = state;
    const query = new URLSearchParams({ sensor, bands: 1 });
    if (state.quantity) query.set("quantity", state.quantity);
    if (state.from !== null) {
      query.set("from_ms", Math.round(state.from));
      query.set("to_ms", Math.round(state.to));
    }
    try {
      const tree = await get(`api/trend?${query}`);
      if (left || turn !== state.turn) return;
      Object.assign(state, { tree, quantity: tree.quantity, from: tree.from_ms, to: tree.to_ms });
      trouble.hidden = true;
      draw();
    } catch (error) {
      if (left) return;
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  }

  function draw() {
    const { tree } = state;
    history.replaceState(null, "", linkOf(sensor, state));
    show(
      quantity,
      [...new Set([...tree.quantities, tree.quantity])].map((name) =>
        el("option", { value: name, selected: name === tree.quantity }, quantityWord(name)),
      ),
    );
    caption.textContent = tierWords(tree);
    chart.setOption(trendOption(echarts, tree, state.chosen, palette()), true);
    spectrum.draw(tree.bands, tree.bands?.spectrum_db ?? null, state);
    const kind = tree.bands?.maps[tree.quantity]
      ? tree.quantity
      : Object.keys(tree.bands?.maps ?? {})[0];
    map.draw(tree.bands, tree.bands?.maps[kind] ?? null, state, kind);
  }

  function pick(ms) {
    const perPixel = (state.to - state.from) / canvas.clientWidth;
    state.chosen = rowAt(state.tree?.rows ?? [], ms, REACH_PX * perPixel);
    show(detail, state.chosen ? detailNodes(state.tree, state.chosen, point, zoomInto) : []);
    chart.setOption(trendOption(echarts, state.tree, state.chosen, palette()), true);
  }

  const zoomInto = (row) => go(row.start_ms, row.end_ms);

  const stopMoves = moves(canvas, state, {
    go,
    pick,
    all,
    atPixel: (x) => chart?.convertFromPixel({ xAxisIndex: 0 }, x),
  });
  const resize = () => {
    chart?.resize();
    if (state.tree) draw();
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("resize", resize);
  dark.addEventListener("change", resize);

  loadCharts().then((library) => {
    if (left) return;
    echarts = library;
    chart = echarts.init(canvas, null, { renderer: "canvas" });
    load();
  });

  document.title = `${sensor}: trend · Camshaft`;
  return () => {
    left = true;
    clearTimeout(timer);
    stopMoves();
    removeEventListener("resize", resize);
    dark.removeEventListener("change", resize);
    chart?.dispose();
  };
}
