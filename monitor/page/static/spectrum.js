// The line spectrum of a kept window at full resolution, with the last OK window's and the
// commissioned range; its sound, and its samples as a file.

import { loadCharts, logTicks, palette } from "./charts.js";
import { choose, el, show } from "./dom.js";
import { get } from "./net.js";
import { hz, plain } from "./words.js";

const FONT = '"DejaVu Sans", "Segoe UI", system-ui, sans-serif';
const LABEL = { fontSize: 13 };
const N_HARMONICS = 10;
const SNAP_PX = 8; // a cursor takes the strongest line so near
const HANN_NOISE_LINES = 1.5; // a sine's power lies in so many lines of the density

const NOT_KEPT =
  "The raw samples of this window were not kept, so there is no line spectrum and no sound. Kept are " +
  "NG windows, those around a change and one OK window in so many (journal.kept_windows).";

export async function tab(place, point) {
  const look = { scale: "log", channel: 0, harmonics: false, cursors: [], zoom: [0, 100] };
  const echarts = await loadCharts();
  const parts = spectrumParts(look, write, point.base);
  show(place, parts.panel, parts.absent);
  const chart = echarts.init(parts.chart, null, { renderer: "canvas" });
  let shown = null; // the row and its spectrum
  chart.on("datazoom", () => {
    const { start, end } = chart.getOption().dataZoom[0];
    look.zoom = [start, end];
  });
  chart.getZr().on("click", (event) => {
    const pixel = [event.offsetX, event.offsetY];
    if (!shown || !chart.containPixel("grid", pixel)) return;
    const [low, high] = [-SNAP_PX, SNAP_PX].map(
      (by) => chart.convertFromPixel({ seriesIndex: 0 }, [pixel[0] + by, pixel[1]])[0],
    );
    const line = strongestLine(shown.tree, look, fromAxis(low, look), fromAxis(high, look));
    look.cursors = [...look.cursors, line].slice(-2);
    write();
  });

  async function write() {
    const { row } = point;
    parts.absent.hidden = row.has_kept_window;
    parts.panel.hidden = !row.has_kept_window;
    if (!row.has_kept_window) return;
    if (shown?.row !== row.row) {
      const tree = await get(`${point.base}api/rows/${row.row}/spectrum`).catch(point.say);
      if (!tree || point.row.row !== row.row) return;
      shown = { row: row.row, tree };
    }
    look.channel = Math.min(look.channel, shown.tree.level_tenth_db.length - 1);
    parts.write(row, shown.tree);
    chart.resize();
    chart.setOption(spectrumOption(shown.tree, look, palette()), true);
  }
  return { write, close: () => chart.dispose() };
}

// -- elements ---------------------------------------------------------------------------------

function spectrumParts(look, redraw, base) {
  const chart = el("div", { class: "chart spectrum", role: "img", "aria-label": "Line spectrum" });
  const change = (key, read) => (event) => {
    look[key] = read(event.target);
    redraw();
  };
  const channel = el("select", { onchange: change("channel", (x) => Number(x.value)) });
  const channelLabel = el("label", {}, "Channel", channel);
  const scale = el(
    "select",
    {
      onchange: (event) => {
        look.zoom = [0, 100];
        change("scale", (x) => x.value)(event);
      },
    },
    el("option", { value: "log" }, "logarithmic"),
    el("option", { value: "linear" }, "linear"),
  );
  const harmonics = el("input", {
    type: "checkbox",
    onchange: change("harmonics", (x) => x.checked),
  });
  const reset = el(
    "button",
    {
      type: "button",
      onclick: () => {
        Object.assign(look, { cursors: [], zoom: [0, 100] });
        redraw();
      },
    },
    "Whole spectrum",
  );
  const cursors = el("p", { class: "cursors", role: "status" });
  const audio = el("audio", { controls: true, loop: true, preload: "none" });
  const file = el("a", { class: "button", download: "" }, "Samples as WAV");
  const controls = el(
    "div",
    { class: "controls" },
    channelLabel,
    el("label", {}, "Frequency", scale),
    el("label", {}, harmonics, "harmonics of the cursor"),
    reset,
  );
  const sound = el("div", { class: "controls" }, el("label", {}, "Sound", audio), file);
  const title = el("h2", {}, "Line spectrum");
  const panel = el("section", { class: "panel" }, title, controls, chart, cursors, sound);
  const absent = el("p", { class: "panel empty", hidden: true }, NOT_KEPT);

  function write(row, tree) {
    const names = tree.level_tenth_db.map((_, index) => [index, row.channels[index] ?? index + 1]);
    choose(channel, names, look.channel);
    channelLabel.hidden = names.length < 2;
    cursors.textContent = cursorWords(tree, look);
    const address = `${base}api/rows/${row.row}/sound`;
    const heard = `${address}?channel=${look.channel}`;
    if (audio.getAttribute("src") !== heard) audio.setAttribute("src", heard);
    file.setAttribute("href", address);
  }
  return { panel, absent, chart, write };
}

// -- cursors ----------------------------------------------------------------------------------

const toAxis = (f_hz, look) => (look.scale === "log" ? Math.log10(f_hz) : f_hz);
const fromAxis = (at, look) => (look.scale === "log" ? 10 ** at : at);

// The line with the highest level between two frequencies, at least the nearest one.
export function strongestLine(tree, look, low_hz, high_hz) {
  const levels = tree.level_tenth_db[look.channel];
  const inside = (index) => Math.min(levels.length - 1, Math.max(1, index));
  const first = inside(Math.ceil(low_hz / tree.step_hz));
  const last = Math.max(first, inside(Math.floor(high_hz / tree.step_hz)));
  let best = first;
  for (let index = first; index <= last; index += 1) if (levels[index] > levels[best]) best = index;
  return best;
}

// RMS of a sine that stands in this line: the density times the taper's noise bandwidth.
export const amplitude = (tree, tenth_db) =>
  Math.sqrt(10 ** (tenth_db / 100) * tree.step_hz * HANN_NOISE_LINES);

function cursorWords(tree, look) {
  if (!look.cursors.length)
    return "Click sets a cursor at the strongest line nearby, a second click another. The wheel zooms.";
  const levels = tree.level_tenth_db[look.channel];
  const words = look.cursors
    .filter((line) => line < levels.length)
    .map((line) => {
      const rms = amplitude(tree, levels[line]).toPrecision(3);
      const f_hz = lineHz(tree, line);
      return `${f_hz}: ${plain(levels[line] / 10, 1)} dB, ${rms} m/s² RMS`;
    });
  if (look.cursors.length === 2) {
    const [a, b] = look.cursors;
    words.push(`apart ${lineHz(tree, Math.abs(b - a))}, ratio ${plain(b / a, 3)}`);
  }
  return words.join(" · ");
}

function lineHz(tree, line) {
  const digits = Math.max(0, 1 - Math.floor(Math.log10(tree.step_hz)));
  return `${(line * tree.step_hz).toFixed(digits)} Hz`;
}

// -- the chart --------------------------------------------------------------------------------

export function spectrumOption(tree, look, colours) {
  const levels = tree.level_tenth_db[look.channel];
  const first = look.scale === "log" ? 1 : 0; // 0 Hz has no logarithm
  const points = (of) =>
    of
      .slice(first)
      .map((level, index) => [toAxis((index + first) * tree.step_hz, look), level / 10]);
  const line = (name, of, style, more = {}) => ({
    type: "line",
    name,
    data: of,
    showSymbol: false,
    silent: true,
    lineStyle: style,
    itemStyle: { color: style.color },
    ...more,
  });
  const series = []; // the last one is drawn over the others
  if (tree.last_ok)
    series.push(
      line("last OK window", points(tree.last_ok.level_tenth_db[look.channel]), {
        width: 1,
        color: colours["state-OK"],
        opacity: 0.7,
      }),
    );
  const markLine = marks(tree, look, colours);
  series.push(
    line("this window", points(levels), { width: 1, color: colours.accent }, { markLine }),
    ...baselineSeries(tree, look, colours, line),
  );
  const top_hz = (levels.length - 1) * tree.step_hz;
  return {
    animation: false,
    textStyle: { color: colours.text, fontFamily: FONT },
    grid: { left: 62, right: 16, top: 58, bottom: 76 },
    legend: { top: 4, left: 62, icon: "rect", itemHeight: 3, textStyle: { color: colours.text } },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.line,
      textStyle: { color: colours.text },
      formatter: (items) => tooltipWords(items, look),
    },
    dataZoom: zooms(look, colours),
    xAxis: frequencyAxis(tree.step_hz, top_hz, look, colours),
    yAxis: levelAxis(colours),
    series,
  };
}

function zooms(look, colours) {
  const [start, end] = look.zoom;
  const plainText = { color: colours.quiet };
  return [
    { type: "inside", start, end, zoomOnMouseWheel: true, moveOnMouseMove: true },
    {
      type: "slider",
      start,
      end,
      height: 18,
      bottom: 8,
      showDetail: false,
      textStyle: plainText,
      borderColor: colours.line,
    },
  ];
}

function frequencyAxis(step_hz, top_hz, look, colours) {
  const log = look.scale === "log";
  const ticks = log ? { customValues: logTicks(step_hz, top_hz).map(Math.log10) } : {};
  return {
    type: "value",
    min: log ? Math.log10(step_hz) : 0,
    max: toAxis(top_hz, look),
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: ticks,
    axisLabel: {
      ...LABEL,
      ...ticks,
      color: colours.quiet,
      hideOverlap: true,
      formatter: (at) => hz(Number(fromAxis(at, look).toPrecision(3))),
    },
    splitLine: { show: false },
  };
}

const levelAxis = (colours) => ({
  type: "value",
  scale: true,
  name: "dB re 1 (m/s²)²/Hz",
  nameTextStyle: { ...LABEL, color: colours.quiet, align: "left" },
  axisLabel: { ...LABEL, color: colours.quiet, formatter: (at) => plain(at, 0) },
  splitLine: { lineStyle: { color: colours.line } },
});

// The range of the commissioned levels, a step a band.
function baselineSeries(tree, look, colours, line) {
  const base = tree.baseline;
  if (!base?.low_db[look.channel]) return [];
  const edges = base.f_edges_hz.map((edge) => toAxis(Math.max(edge, tree.step_hz), look));
  const steps = (levels) =>
    [...levels.map((level, index) => [edges[index], level])].concat([
      [edges.at(-1), levels.at(-1)],
    ]);
  const style = { width: 1.5, type: "dashed", color: colours.quiet };
  const name = "commissioned range";
  return [base.low_db, base.high_db].map((levels) =>
    line(name, steps(levels[look.channel]), style, { step: "end" }),
  );
}

function marks(tree, look, colours) {
  const at = (f_hz, name, type) => ({
    xAxis: toAxis(f_hz, look),
    lineStyle: { color: colours.text, type, width: 1 },
    label: { formatter: name, color: colours.text, fontSize: 12 },
  });
  const data = look.cursors.map((one, index) => at(one * tree.step_hz, "AB"[index], "solid"));
  const [first] = look.cursors;
  for (let n = 2; look.harmonics && first && n <= N_HARMONICS; n += 1)
    data.push(at(n * first * tree.step_hz, `${n}`, "dotted"));
  return { silent: true, symbol: "none", data };
}

function tooltipWords(items, look) {
  if (!items.length) return "";
  const f_hz = fromAxis(items[0].value[0], look);
  const lines = items.map(({ seriesName, value }) => `${seriesName} ${plain(value[1], 1)} dB`);
  return [hz(f_hz), ...new Set(lines)].join("\n");
}
