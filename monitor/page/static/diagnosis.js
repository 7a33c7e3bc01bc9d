// What is broken, of the alarm that a window belongs to, or because somebody asked: the name, its sum,
// and the spectra it rests on.

import { loadCharts, palette } from "./charts.js";
import { conditionPart } from "./condition.js";
import { el, show } from "./dom.js";
import { diagnoseForm } from "./forms.js";
import { get, isReadOnly } from "./net.js";
import { fullTime, plain } from "./words.js";

const N_CURSOR = 6; // harmonics that the cursor marks
const SMALLEST = 0.01; // of a band's share of the verdict, to have a line of its own
const NS_PER_MS = 1e6;
const LABEL = { fontSize: 13 };
const SPECTRA = { envelope: "Envelope spectrum", spectrum: "Spectrum" };

export function tab(place, point) {
  const diagnosis = diagnosisPart(point.base);
  const condition = conditionPart();
  const none = el("p", { class: "quiet" }, "This window belongs to no alarm that was diagnosed.");
  const ask = el("div", { class: "controls" });
  if (!isReadOnly(point.instance)) offer();
  show(place, [none, ask, diagnosis.panel, condition.panel]);

  function offer(said = "") {
    const open = () =>
      show(
        ask,
        diagnoseForm(point.sensor, asked, () => offer()),
      );
    const button = el("button", { type: "button", class: "ask", onclick: open }, "Diagnose now…");
    show(ask, button, el("span", { class: "quiet", role: "status" }, said));
  }

  function asked() {
    offer(
      "Asked. The answer comes with the point's next ten seconds of signal, here and as an event.",
    );
  }

  async function write() {
    condition.write(point.row);
    await diagnosis.write(point.row).catch(point.say);
    none.hidden = !diagnosis.panel.hidden;
  }
  return { write, close: diagnosis.leave };
}

function diagnosisPart(base) {
  const look = { which: "envelope", orders: false, log: false, cursor_hz: null };
  const state = { found: null, row: null, chart: null, left: false };
  const text = el("p", {});
  const facts = el("p", { class: "quiet" });
  const cursor = el("p", { class: "quiet", role: "status" });
  const sums = el("div", { class: "two" });
  const spectrum = el("div", {
    class: "chart spectrum",
    tabIndex: 0,
    role: "img",
    onkeydown: onKey,
  });
  const which = choice("Shown", SPECTRA, (value) => change({ which: value }));
  const axis = choice("Axis", { hz: "Hz", orders: "orders" }, (value) =>
    change({ orders: value === "orders" }),
  );
  const scale = choice("Scale", { linear: "linear", log: "logarithmic" }, (value) =>
    change({ log: value === "log" }),
  );
  const panel = el(
    "section",
    { class: "panel diagnosis", hidden: true },
    el("link", { rel: "stylesheet", href: "static/diagnosis.css" }),
    el("h2", {}, "What is broken"),
    text,
    facts,
    el("div", { class: "controls" }, which, axis, scale),
    spectrum,
    cursor,
    sums,
  );

  async function write(row) {
    state.row = row;
    const { diagnosis } = await get(`${base}api/diagnosis?row=${row.row}`);
    if (state.left || state.row !== row) return;
    const is_new = state.found?.at_ms !== diagnosis?.at_ms;
    state.found = diagnosis;
    panel.hidden = diagnosis === null;
    if (diagnosis === null) return;
    writeSums(sums, diagnosis, row);
    if (!is_new) return;
    look.cursor_hz = diagnosis.base_hz;
    text.replaceChildren(el("b", {}, diagnosis.text));
    facts.textContent = factWords(diagnosis);
    axis.hidden = diagnosis.shaft_hz === null;
    await draw();
  }

  function change(values) {
    Object.assign(look, values);
    draw();
  }

  async function draw() {
    const echarts = await loadCharts();
    if (state.left || !state.found) return;
    if (!state.chart) {
      state.chart = echarts.init(spectrum, null, { renderer: "canvas" });
      state.chart.getZr().on("mousemove", follow);
    }
    state.chart.resize();
    state.chart.setOption(option(state.found, look, palette()), true);
    spectrum.setAttribute("aria-label", `${SPECTRA[look.which]}: ${state.found.text}`);
    writeCursor();
  }

  function follow(event) {
    const point = [event.offsetX, event.offsetY];
    if (!state.chart.containPixel("grid", point)) return;
    const [x] = state.chart.convertFromPixel({ gridIndex: 0 }, point);
    moveTo(x * unitHz(state.found, look));
  }

  function onKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined || !state.found) return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere these keys go from window to window
    moveTo((look.cursor_hz ?? 0) + by * stepOf(state.found, look) * (event.shiftKey ? 10 : 1));
  }

  function moveTo(f_hz) {
    look.cursor_hz = Math.max(stepOf(state.found, look), f_hz);
    state.chart.setOption({ series: [{ markLine: marks(state.found, look, palette()) }] });
    writeCursor();
  }

  function writeCursor() {
    const { shaft_hz } = state.found;
    const orders = shaft_hz ? ` (order ${plain(look.cursor_hz / shaft_hz, 2)})` : "";
    const at = look.cursor_hz ? `${plain(look.cursor_hz, 1)} Hz${orders} and its harmonics` : "off";
    cursor.textContent = `Cursor: ${at}. It follows the mouse, and the arrow keys; ⇧ ten steps.`;
  }

  // Its style may come after it.
  const sized = new ResizeObserver(() => state.chart?.resize());
  sized.observe(spectrum);

  function leave() {
    state.left = true;
    sized.disconnect();
    state.chart?.dispose();
  }
  return { panel, write, leave };
}

function choice(title, names, work) {
  const options = Object.entries(names).map(([value, name]) => el("option", { value }, name));
  const select = el("select", { onchange: () => work(select.value) }, options);
  return el("label", {}, `${title} `, select);
}

function factWords(found) {
  const parts = [
    `${plain(found.signal_s, 1)} s that ended ${fullTime(found.at_ms)}`,
    `channel ${found.channel}`,
  ];
  if (found.asked_by) parts.unshift(`asked by ${found.asked_by}`);
  if (found.shaft_hz) parts.push(`shaft ${plain(found.shaft_hz, 2)} Hz`);
  if (found.resolution_hz)
    parts.push(`resolution ${plain(found.resolution_hz, 2)} Hz, ${found.n_averaged} averaged`);
  if (found.runner_up)
    parts.push(`next: ${found.runner_up[0]}, by chance ${found.runner_up[1].toPrecision(2)}`);
  if (found.healthy_ns) parts.push(`growth since ${fullTime(found.healthy_ns / NS_PER_MS)}`);
  if (found.unknown.length)
    parts.push(
      `cannot be told: ${found.unknown.map(([name, why]) => `${name} (${why})`).join("; ")}`,
    );
  return parts.join(" · ");
}

// The sum of the name beside that of the verdict.
function writeSums(sums, found, row) {
  const lines = found.parts.map(({ label, f_hz, points }) => [label, plain(f_hz, 1), points]);
  const evidence = row.evidence[0];
  const verdict = evidence
    ? [...(evidence.bias ? [["bias", "", evidence.bias]] : []), ...bandLines(row, evidence)]
    : [];
  show(
    sums,
    lines.length ? sumTable(`Score of ${found.nearest}`, "Hz", lines, found.score) : null,
    verdict.length
      ? sumTable(`${evidence.unit} of the verdict`, "Hz", verdict, evidence.score)
      : null,
  );
}

// What rounds to nothing is one line: the sum stays whole.
function bandLines(row, evidence) {
  const edges = row.maps?.f_edges_hz;
  if (!edges) return [];
  const all = evidence.bands.map((value, index) => [
    "band",
    `${plain(edges[index], 0)}–${plain(edges[index + 1], 0)}`,
    value,
  ]);
  const rest = all.filter(([, , value]) => Math.abs(value) < SMALLEST);
  const sum = rest.reduce((total, [, , value]) => total + value, 0);
  const shown = all.filter((line) => !rest.includes(line));
  return rest.length ? [...shown, [`${rest.length} other bands`, "", sum]] : shown;
}

function sumTable(title, unit, lines, total) {
  const cells = ([label, f, value]) => [
    el("td", {}, label),
    el("td", { class: "number" }, f),
    el("td", { class: "number" }, plain(value, 2)),
  ];
  return el(
    "table",
    {},
    el("caption", {}, title),
    el(
      "tr",
      {},
      el("th", {}, "line"),
      el("th", { class: "number" }, unit),
      el("th", { class: "number" }, "adds"),
    ),
    lines.map((line) => el("tr", {}, cells(line))),
    el("tr", { class: "total" }, cells(["sum", "", total])),
  );
}

// -- the spectra ------------------------------------------------------------------------------------------------------

const stepOf = (found, look) => found[`${look.which}_step_hz`];
const unitHz = (found, look) => (look.orders && found.shaft_hz ? found.shaft_hz : 1);

function option(found, look, colours) {
  const step_hz = stepOf(found, look);
  const unit_hz = unitHz(found, look);
  const values = found[`${look.which}_db`];
  const first = look.which === "envelope" ? 3 : 1; // below lies the mean
  const data = values.slice(first).map((db, k) => {
    const level = look.log ? db : 10 ** (db / 20);
    return [((k + first) * step_hz) / unit_hz, level];
  });
  const axis = {
    type: "value",
    nameLocation: "middle",
    nameTextStyle: { ...LABEL, color: colours.quiet },
    axisLabel: { ...LABEL, color: colours.quiet },
    axisLine: { lineStyle: { color: colours.line } },
    splitLine: { show: false },
  };
  const name = unit_hz === 1 ? "frequency in Hz" : "orders of the shaft";
  const top = look.which === "envelope" ? topOf(found, values.length * step_hz) : undefined;
  return {
    animation: false,
    grid: { left: 74, right: 20, top: 30, bottom: 48 },
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }],
    xAxis: { ...axis, name, nameGap: 28, min: 0, max: top && top / unit_hz },
    yAxis: { ...axis, name: look.log ? "dB" : "amplitude", nameGap: 54, scale: look.log },
    series: [
      {
        type: "line",
        data,
        showSymbol: false,
        silent: true,
        lineStyle: { width: 1, color: colours.accent },
        markLine: marks(found, look, colours),
      },
    ],
  };
}

// The highest line of the family, with room behind it.
function topOf(found, end_hz) {
  const lines = found.parts.map((part) => part.f_hz);
  return lines.length ? Math.min(end_hz, 1.3 * Math.max(...lines)) : end_hz;
}

// Dashed: where the part has its lines. Solid: the cursor and its harmonics.
function marks(found, look, colours) {
  const unit_hz = unitHz(found, look);
  const family = found.parts.map(({ label, f_hz }) => ({
    xAxis: f_hz / unit_hz,
    name: label,
    lineStyle: { type: "dashed", color: colours["for-ng"] },
    label: { formatter: label, color: colours.quiet, fontSize: 11, show: !/[−+]/.test(label) },
  }));
  const harmonics = Array.from({ length: look.cursor_hz ? N_CURSOR : 0 }, (_, k) => ({
    xAxis: ((k + 1) * look.cursor_hz) / unit_hz,
    lineStyle: { type: "solid", color: colours.text, width: k === 0 ? 1.5 : 0.7 },
    label: { show: false },
  }));
  return { silent: true, symbol: "none", data: [...family, ...harmonics] };
}
