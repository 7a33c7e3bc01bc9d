// Years of a point in one picture: a figure with its spread, its statuses, what happened, and how spectrum and map moved.
// Beside it another span or another point, where wanted, on the same scale.

import { loadCharts } from "./charts.js";
import { choose, el, show } from "./dom.js";
import { fleet } from "./net.js";
import { quantityWord } from "./trend_chart.js";
import { needTrendStyle } from "./trend_link.js";
import { commonLimits, trendPane } from "./trend_pane.js";
import { linkOf, parseLink } from "./trend_span.js";
import { machineOf, pointOf } from "./words.js";

export function trendView(view, sensor, spanText, quantityText, moreText) {
  const {
    from,
    to,
    quantity: asked,
    isRelative,
    other,
  } = parseLink(spanText, quantityText, moreText);
  const common = { quantity: asked, isRelative };
  let left = false;
  let echarts = null;
  let panes = [];
  needTrendStyle();

  const quantity = el("select", { "aria-label": "Quantity", onchange: () => chooseQuantity() });
  const baseline = el(
    "button",
    { type: "button", onclick: () => toggleBaseline() },
    "Compare with baseline",
  );
  const beside = el("button", { type: "button", onclick: () => toggleBeside() }, "Side by side");
  const second = el("select", { "aria-label": "Second point", onchange: () => chooseSecond() });
  const room = el("div", { class: "trend-panes" });
  const point = `#/point/${encodeURIComponent(sensor)}`;
  const title = el("a", { href: point }, `${machineOf(sensor)} ${pointOf(sensor)}`);
  show(
    view,
    el("div", { class: "bar" }, el("h1", {}, title, " · trend"), quantity),
    el("div", { class: "trend-ways" }, baseline, beside, second),
    room,
  );

  function chooseQuantity() {
    common.quantity = quantity.value;
    for (const pane of panes) pane.reset();
  }

  function toggleBaseline() {
    common.isRelative = !common.isRelative;
    drawAll();
  }

  // The span before, of the same point: what most want to see beside.
  function toggleBeside() {
    if (panes.length > 1) panes.pop().stop();
    else {
      const { from: begin, to: end } = panes[0].state;
      add({ sensor, from: Math.max(0, 2 * begin - end), to: begin });
    }
    layOut();
    drawAll();
  }

  function chooseSecond() {
    const { from: begin, to: end } = panes[0].state;
    if (second.value !== sensor) Object.assign(panes[1].state, { from: begin, to: end });
    panes[1].reset(second.value);
  }

  function add(place) {
    const pane = trendPane(echarts, place, common, loaded);
    panes.push(pane);
    layOut();
    pane.load();
  }

  function layOut() {
    show(
      room,
      panes.map((pane) => pane.node),
    );
    room.classList.toggle("two", panes.length > 1);
    for (const pane of panes) pane.resize();
  }

  function loaded(pane) {
    if (left || !panes.includes(pane)) return;
    if (pane === panes[0]) common.quantity = pane.state.tree.quantity;
    drawAll();
  }

  function drawAll() {
    const trees = panes.map((pane) => pane.state.tree);
    if (!trees.some(Boolean)) return;
    const range = commonLimits(trees);
    for (const pane of panes) pane.draw(range);
    tellChoices(trees[0]);
    history.replaceState(null, "", linkOf(sensor, link()));
  }

  function link() {
    const { from: begin, to: end } = panes[0].state;
    const place = panes[1]?.state;
    const another = place && { sensor: place.sensor, from: place.from, to: place.to };
    return { ...common, from: begin, to: end, other: another };
  }

  function tellChoices(tree) {
    if (!tree) return;
    const names = [...new Set([...tree.quantities, tree.quantity])];
    choose(
      quantity,
      names.map((name) => [name, quantityWord(name)]),
      tree.quantity,
    );
    const hasBaseline = panes.some((pane) => pane.state.tree?.bands?.baseline_db);
    baseline.disabled = !hasBaseline;
    baseline.title = hasBaseline ? "" : "No commissioned baseline of these bands.";
    baseline.setAttribute("aria-pressed", String(common.isRelative));
    beside.setAttribute("aria-pressed", String(panes.length > 1));
    second.hidden = panes.length < 2;
    const points = [...new Set([sensor, ...fleet.sensors.keys()])].sort();
    choose(
      second,
      points.map((name) => [name, name]),
      panes[1]?.state.sensor ?? sensor,
    );
  }

  const resize = () => {
    for (const pane of panes) pane.resize();
    drawAll();
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("resize", resize);
  dark.addEventListener("change", resize);

  loadCharts().then((library) => {
    if (left) return;
    echarts = library;
    add({ sensor, from, to });
    if (other) add(other);
  });

  document.title = `${sensor}: trend · Camshaft`;
  return () => {
    left = true;
    for (const pane of panes) pane.stop();
    panes = [];
    removeEventListener("resize", resize);
    dark.removeEventListener("change", resize);
  };
}
