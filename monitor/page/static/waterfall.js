// How bands moved over time: a column for each row of a trend, the lowest band at the bottom.

import { evidenceColour, palette } from "./charts.js";
import { el } from "./dom.js";
import { MARGINS } from "./trend_chart.js";
import { bandWords, hz, plain, shortTime, signed } from "./words.js";

const HEIGHT = 150; // px
const EMPTY = "There is nothing of it in this span.";

export function waterfall(title, unit) {
  const canvas = el("canvas", { class: "waterfall", role: "img" });
  const words = el("span", { class: "quiet" });
  const head = el("h2", {}, title);
  const node = el("section", {}, el("div", { class: "bar" }, head, words), canvas);
  let shown = null;

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const text = shown ? cellAt(shown, event.clientX - box.left, event.clientY - box.top) : "";
    words.textContent = text || (shown?.scale ?? "");
  });

  // columns: of each row of bands a value for each band, or null. isSigned: 0 is in the middle of the colours.
  function draw(bands, columns, span, kind = "", isSigned = !unit, empty = EMPTY) {
    head.textContent = kind ? `${title}: ${kind}` : title;
    const values = (columns ?? []).flatMap((column) => column ?? []);
    canvas.hidden = !values.length;
    words.textContent = values.length ? "" : empty;
    shown = null;
    if (!values.length) return;
    const width = canvas.clientWidth;
    shown = { bands, columns, span, unit, isSigned, colours: palette(), width };
    Object.assign(
      shown,
      isSigned ? contributions(values, shown.colours, unit) : levels(values, shown.colours),
    );
    words.textContent = shown.scale;
    canvas.setAttribute("aria-label", `${head.textContent} over time, ${shown.scale}`);
    paint(canvas, shown);
  }

  return { node, draw };
}

// Levels above the middle of what a sensor was commissioned with, in dB; null where that has other bands.
export function againstBaseline(bands) {
  const base = bands?.baseline_db;
  if (!base) return null;
  return bands.spectrum_db.map(
    (column) => column?.map((level, band) => level - base[band]) ?? null,
  );
}

function levels(values, colours) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [low, high] = [at(0.02), Math.max(at(0.02) + 1, at(0.99))];
  const colourOf = (value) => {
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return { fill: colours["spectrum-high"], alpha: share };
  };
  return {
    colourOf,
    ground: colours["spectrum-low"],
    scale: `${plain(low, 0)} to ${plain(high, 0)} dB`,
  };
}

function contributions(values, colours, unit) {
  const limit = Math.max(1e-6, ...values.map(Math.abs));
  const colourOf = (value) => ({ fill: evidenceColour(colours, value, limit), alpha: 1 });
  return {
    colourOf,
    ground: colours.neutral,
    scale: `full colour at ±${unit ? `${plain(limit, 1)} ${unit}` : plain(limit, 3)}`,
  };
}

// Where a time and a band stand, in px.
function places({ bands, span, width }) {
  const inner = width - MARGINS.left - MARGINS.right;
  const n_bands = bands.f_edges_hz.length - 1;
  return {
    x: (ms) => MARGINS.left + ((ms - span.from) / (span.to - span.from)) * inner,
    y: (band) => HEIGHT - (band / n_bands) * HEIGHT,
    n_bands,
  };
}

function paint(canvas, shown) {
  const { bands, columns, colourOf, colours, ground, width } = shown;
  const ratio = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * ratio, height: HEIGHT * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const { x, y, n_bands } = places(shown);
  const right = width - MARGINS.right;
  context.save();
  context.beginPath();
  context.rect(MARGINS.left, 0, right - MARGINS.left, HEIGHT);
  context.clip();
  for (const [index, column] of columns.entries()) {
    if (!column) continue;
    const [x0, x1] = [x(bands.start_ms[index]), x(bands.end_ms[index])];
    if (x1 < MARGINS.left || x0 > right) continue;
    const left = Math.floor(x0);
    const w = Math.max(1, Math.floor(x1) - left);
    for (let band = 0; band < n_bands; band += 1) {
      const { fill, alpha } = colourOf(column[band]);
      const top = Math.round(y(band + 1));
      const box = [left, top, w, Math.round(y(band)) - top];
      context.globalAlpha = 1;
      context.fillStyle = ground;
      context.fillRect(...box);
      context.globalAlpha = alpha;
      context.fillStyle = fill;
      context.fillRect(...box);
    }
  }
  context.restore();
  labels(context, shown, y, n_bands, colours);
}

function labels(context, { bands }, y, n_bands, colours) {
  context.fillStyle = colours.quiet;
  context.font = '13px "DejaVu Sans", "Segoe UI", system-ui, sans-serif';
  context.textAlign = "right";
  context.textBaseline = "middle";
  const every = Math.max(1, Math.round(n_bands / 5));
  for (let band = 0; band <= n_bands; band += every) {
    const at = Math.min(HEIGHT - 7, Math.max(7, y(band)));
    context.fillText(hz(bands.f_edges_hz[band]), MARGINS.left - 6, at);
  }
}

function cellAt(shown, px, py) {
  const { bands, columns, unit, isSigned } = shown;
  const { x, n_bands } = places(shown);
  const index = columns.findIndex(
    (column, i) => column && x(bands.start_ms[i]) <= px && px < x(bands.end_ms[i]),
  );
  const band = Math.floor((1 - py / HEIGHT) * n_bands);
  if (index < 0 || band < 0 || band >= n_bands) return "";
  const value = columns[index][band];
  const edges = bandWords(bands.f_edges_hz[band], bands.f_edges_hz[band + 1]);
  const told = `${isSigned ? signed(value, unit ? 1 : 3) : plain(value, 1)} ${unit}`;
  return `${shortTime(bands.start_ms[index])}, ${edges}: ${told}`;
}
