// The evidence of one window: the map with its controls, the bars that add up, the last OK window beside it.

import { evidenceColour, fitLimit, hasBias, scaleWords, steps } from "./charts.js";
import { choose, el, show } from "./dom.js";
import { bandHolds, bandWords, fullTime, plain, signed } from "./words.js";

const SIGNED_SHARES = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1];
const UNSIGNED_SHARES = [0, 0.25, 0.5, 0.75, 1];

// The evidence of one kind on a window; undefined where there is none.
export const ofKind = (row, kind) => row.evidence.find((evidence) => evidence.kind === kind);

export function evidenceParts(look, act) {
  const controls = mapControls(look, act);
  const map = el("div", { class: "chart map", role: "img" });
  const scale = el("div", { class: "scale" });
  const strongest = el("p", { class: "strongest" });
  const sum = sumParts();
  const without = withoutParts();
  const other = el("div", {
    class: "chart map",
    role: "img",
    "aria-label": "Map of the last OK window",
  });
  const otherTitle = el("h2", {});
  const otherPanel = el("section", { class: "panel", hidden: true }, otherTitle, other);
  const title = el("h2", {}, "Where the evidence lies");
  const mapPanel = el(
    "section",
    { class: "panel", "aria-label": "Evidence map" },
    title,
    controls.bar,
    map,
    scale,
    strongest,
  );
  const panels = el("div", { class: "two" }, mapPanel, sum.panel, without.panel, otherPanel);

  function writeCompared(compared) {
    otherPanel.hidden = !compared?.maps;
    if (compared) otherTitle.textContent = `Last OK window, ${fullTime(compared.end_ms)}`;
  }
  function write(row, colours) {
    controls.write(row);
    const evidence = ofKind(row, look.kind);
    writeScale(scale, look, colours, evidence);
    strongest.textContent = strongestWords(evidence);
    map.setAttribute(
      "aria-label",
      `Spectrogram with the map of evidence. ${strongest.textContent}`,
    );
    title.textContent = evidence ? "Where the evidence lies" : "Spectrogram";
    controls.limit.hidden = !evidence;
    sum.panel.hidden = !evidence;
    if (evidence) sum.write(row, evidence);
    without.write(row.occlusion, look, colours);
  }
  return { panels, map, other, steps: sum.chart, without: without.map, write, writeCompared };
}

// -- controls -----------------------------------------------------------------------------------------------------------

function mapControls(look, act) {
  const change = (key, read, anew) => (event) => {
    look[key] = read(event.target);
    act.redraw(anew);
  };
  const blend = el("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 100 * look.blend,
    oninput: change("blend", (x) => x.value / 100),
  });
  const kind = el("select", { onchange: change("kind", (x) => x.value, true) });
  const channel = el("select", { onchange: change("channel", (x) => Number(x.value), true) });
  const scale = el(
    "select",
    { onchange: change("scale", (x) => x.value) },
    [
      ["log", "logarithmic"],
      ["linear", "linear"],
      ["equal", "equal bands"],
    ].map(([value, word]) => el("option", { value }, word)),
  );
  const limit = el("select", { onchange: change("chosen", (x) => x.value) });
  const kindLabel = el("label", {}, "Evidence of ", kind);
  const channelLabel = el("label", {}, "Channel ", channel);
  const limitLabel = el("label", {}, "Full colour at", limit);
  const bar = el(
    "div",
    { class: "controls" },
    el("label", { class: "blend" }, "Spectrum", blend, "Map"),
    kindLabel,
    channelLabel,
    el("label", {}, "Frequency", scale),
    limitLabel,
  );

  function write(row) {
    const kinds = row.evidence.map((evidence) => evidence.kind);
    const n = row.maps.spectrum_db?.length ?? 0;
    const sign = ofKind(row, look.kind)?.signed ? "±" : "";
    choose(
      kind,
      kinds.map((name) => [name, name.replaceAll("_", " ")]),
      look.kind,
    );
    choose(
      channel,
      Array.from({ length: n }, (_, index) => [index, row.channels[index] ?? index + 1]),
      look.channel,
    );
    const fit = ["fit", `${sign}${look.fitted} (fits)`];
    choose(limit, [fit, ...look.limits.map((value) => [value, `${sign}${value}`])], look.chosen);
    kindLabel.hidden = kinds.length < 2;
    channelLabel.hidden = n < 2;
  }
  return { bar, limit: limitLabel, write };
}

function writeScale(scale, look, colours, evidence) {
  const words = scaleWords(evidence, look);
  if (!evidence) {
    show(scale, el("span", { class: "quiet" }, words));
    return;
  }
  const swatches = swatchesOf(colours, evidence.signed ? SIGNED_SHARES : UNSIGNED_SHARES);
  writeEnds(scale, scaleEnds(evidence, look.limit), swatches, ` a cell${words}`);
}

function swatchesOf(colours, shares) {
  return shares.map((share) => {
    const swatch = el("i");
    swatch.style.backgroundColor = evidenceColour(colours, share, 1);
    return swatch;
  });
}

function writeEnds(scale, [left, right], swatches, more) {
  show(
    scale,
    left,
    el("span", { class: "swatches" }, swatches),
    right,
    el("span", { class: "quiet" }, more),
  );
}

function scaleEnds(evidence, limit) {
  if (evidence.signed) return [`for OK −${limit}`, `for NG +${limit}`];
  return ["0", `${evidence.kind === "novelty" ? "novel" : "for NG"} ${limit}`];
}

// -- what the logit rests on --------------------------------------------------------------------------------------------

function withoutParts() {
  const map = el("div", { class: "chart map", role: "img" });
  const scale = el("div", { class: "scale" });
  const bands = el("ul", { class: "without" });
  const beside = el("p", { class: "quiet" });
  const panel = el(
    "section",
    { class: "panel", "aria-label": "What the logit rests on" },
    el("h2", {}, "What the logit rests on"),
    bands,
    map,
    scale,
    beside,
  );

  function write(occlusion, look, colours) {
    panel.hidden = !occlusion;
    if (!occlusion) return;
    const limit = fallLimit(occlusion, look);
    const ends = [`rises by ${limit}`, `falls by ${limit}`];
    writeEnds(scale, ends, swatchesOf(colours, SIGNED_SHARES), " the logit without a cell");
    const words = bandsWithout(occlusion);
    beside.textContent = occlusion.beside_the_map;
    show(
      bands,
      words.map((text) => el("li", {}, text)),
    );
    map.setAttribute("aria-label", `What the logit rests on. ${words.join(". ")}.`);
  }
  return { panel, map, write };
}

// As for the map: the same for every window, unless this one goes beyond it.
export const fallLimit = (occlusion, look) =>
  look.chosen === "fit" ? fitLimit(occlusion) : look.limit;

function bandsWithout({ bands, logit, threshold }) {
  const called = (value) => {
    if (threshold === null) return plain(value, 2);
    return `${plain(value, 2)} (${value > threshold ? "NG" : "OK"})`;
  };
  if (!bands.length) return ["No band alone makes the logit fall"];
  return bands.map(
    (one) =>
      `Without ${bandWords(...one.band_hz)} the logit would be ${called(one.logit)}, not ${called(logit)}`,
  );
}

// -- words --------------------------------------------------------------------------------------------------------------

function strongestWords(evidence) {
  if (!evidence)
    return "No map: there is neither a model nor a commissioned baseline for this window.";
  const best = evidence.strongest;
  if (!best) return "Nothing here speaks for NG.";
  const [start_s, end_s] = best.cell_s.map((time) => time.toFixed(2));
  const bands = best.main.length ? best.main : [best];
  const holds = bands.map(({ band_hz, share }) => bandHolds([...band_hz, share]));
  return (
    `${holds.join(", ")} of the evidence for NG. ` +
    `Strongest cell ${bandWords(...best.cell_hz)}, ${start_s} to ${end_s} s: ${signed(best.value, 3)}.`
  );
}

// -- what adds up ---------------------------------------------------------------------------------------------------------

function sumParts() {
  const chart = el("div", {
    class: "chart steps",
    role: "img",
    "aria-label": "What each band adds",
  });
  const sum = el("p", { class: "sum", id: "sum" });
  const body = el("tbody");
  const head = el(
    "thead",
    {},
    el(
      "tr",
      {},
      ["band", "adds", "sum so far"].map((word) => el("th", {}, word)),
    ),
  );
  const table = el(
    "details",
    {},
    el("summary", {}, "Numbers by band"),
    el("table", {}, head, body),
  );
  const title = el("h2", {}, "What adds up to the verdict");
  const panel = el(
    "section",
    { class: "panel", "aria-label": "Sum of evidence" },
    title,
    chart,
    sum,
    table,
  );

  function write(row, evidence) {
    const { found, reached, limit } = steps(row, evidence);
    Object.assign(sum.dataset, { reached, total: found.at(-1).value });
    sum.textContent = sumWords(evidence, found, limit);
    show(body, tableRows(found));
  }
  return { panel, chart, write };
}

function sumWords(evidence, found, limit) {
  const total = found.at(-1).value;
  const bands = found
    .slice(hasBias(evidence) ? 1 : 0, -1)
    .reduce((sum, step) => sum + step.value, 0);
  const known = limit !== null && limit !== undefined;
  const verdict = known
    ? `, ${total > limit ? "above" : "not above"} its threshold ${plain(limit, 3)}`
    : "";
  const { unit } = evidence;
  if (!hasBias(evidence))
    return `All bands ${plain(bands, 3)} = ${unit} ${plain(total, 3)}${verdict}.`;
  const bias = `bias ${signed(evidence.bias)} and all bands ${signed(bands)}`;
  return `${bias} = ${unit} ${signed(total)}${verdict}.`;
}

function tableRows(found) {
  let reached = 0;
  const line = (cells, more = {}) =>
    el(
      "tr",
      more,
      cells.map((cell) => el("td", {}, cell)),
    );
  const rows = found.slice(0, -1).map((step) => {
    reached += step.value;
    return line([step.name, signed(step.value, 4), signed(reached, 4)]);
  });
  return [
    ...rows,
    line([found.at(-1).name, "", signed(found.at(-1).value, 4)], { class: "total" }),
  ];
}
