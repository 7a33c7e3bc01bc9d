// The evidence of one window: the map with its controls, the bars that add up, the last OK window beside it.

import { evidenceColour, steps } from "/static/charts.js";
import { el, show } from "/static/dom.js";
import { bandWords, fullTime, percent, plain, signed } from "/static/words.js";

const KINDS = { contribution: "network", novelty: "novelty" };
const SHARES = { contribution: [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1], novelty: [0, 0.25, 0.5, 0.75, 1] };

export function evidenceParts(look, act) {
  const controls = mapControls(look, act);
  const map = el("div", { class: "chart map", role: "img" });
  const scale = el("div", { class: "scale" });
  const strongest = el("p", { class: "strongest" });
  const sum = sumParts();
  const other = el("div", { class: "chart map", role: "img", "aria-label": "Map of the last OK window" });
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
  const panels = el("div", { class: "two" }, mapPanel, sum.panel, otherPanel);

  function writeCompared(compared) {
    otherPanel.hidden = !compared?.maps;
    if (compared) otherTitle.textContent = `Last OK window, ${fullTime(compared.end_ms)}`;
  }
  function write(row, colours) {
    controls.write(row);
    writeScale(scale, look, colours);
    strongest.textContent = strongestWords(row.maps, look.kind);
    map.setAttribute("aria-label", `Spectrogram with the map of evidence. ${strongest.textContent}`);
    sum.panel.hidden = !row.maps[look.kind];
    if (row.maps[look.kind]) sum.write(row, look.kind);
  }
  return { panels, map, other, steps: sum.chart, write, writeCompared };
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
  const equal = el("input", { type: "checkbox", onchange: change("equal", (x) => x.checked) });
  const limit = el("select", { onchange: change("limit", (x) => Number(x.value)) });
  const kindLabel = el("label", {}, "Evidence of ", kind);
  const channelLabel = el("label", {}, "Channel ", channel);
  const bar = el(
    "div",
    { class: "controls" },
    el("label", { class: "blend" }, "Spectrum", blend, "Map"),
    kindLabel,
    channelLabel,
    el("label", {}, equal, " equal bands"),
    el("label", {}, "Full colour at", limit),
  );

  function write(row) {
    const kinds = Object.keys(KINDS).filter((name) => row.maps[name]);
    const n = row.maps.spectrum_db?.length ?? 0;
    const sign = look.kind === "novelty" ? "" : "±";
    choose(
      kind,
      kinds.map((name) => [name, KINDS[name]]),
      look.kind,
    );
    choose(
      channel,
      Array.from({ length: n }, (_, index) => [index, index + 1]),
      look.channel,
    );
    choose(
      limit,
      look.limits.map((value) => [value, `${sign}${value}`]),
      look.limit,
    );
    kindLabel.hidden = kinds.length < 2;
    channelLabel.hidden = n < 2;
  }
  return { bar, write };
}

// Options are made anew only where they change: a list that somebody has just opened must not close.
function choose(select, choices, chosen) {
  const same =
    choices.length === select.options.length &&
    choices.every(
      ([value, word], i) => select.options[i].value === String(value) && select.options[i].text === String(word),
    );
  if (!same)
    show(
      select,
      choices.map(([value, word]) => el("option", { value }, word)),
    );
  select.value = chosen;
}

function writeScale(scale, look, colours) {
  const swatches = SHARES[look.kind].map((share) => {
    const swatch = el("i");
    swatch.style.backgroundColor = evidenceColour(colours, share, 1);
    return swatch;
  });
  const [left, right] =
    look.kind === "novelty" ? ["0", `novel ${look.limit}`] : [`for OK −${look.limit}`, `for NG +${look.limit}`];
  const [low, high] = look.spectrumLimits.map((level) => plain(level, 0));
  const more = ` a cell, the same for every window · spectrum ${low} to ${high} dB`;
  show(scale, left, el("span", { class: "swatches" }, swatches), right, el("span", { class: "quiet" }, more));
}

// -- words --------------------------------------------------------------------------------------------------------------

function strongestWords(maps, kind) {
  const cells = maps[kind]?.cells;
  if (!cells) return "No map: there is neither a model nor a commissioned baseline for this window.";
  const positive = cells.map((line) => line.reduce((sum, value) => sum + Math.max(0, value), 0));
  const total = positive.reduce((sum, value) => sum + value, 0);
  if (total <= 0) return "Nothing here speaks for NG.";
  const f = positive.indexOf(Math.max(...positive));
  const [g, t] = largestCell(cells);
  const band = (index) => bandWords(maps.f_edges_hz[index], maps.f_edges_hz[index + 1]);
  const time = `${maps.t_edges_s[t].toFixed(2)} to ${maps.t_edges_s[t + 1].toFixed(2)} s`;
  return (
    `Strongest band ${band(f)} with ${percent(positive[f] / total)} of the evidence for NG. ` +
    `Strongest cell ${band(g)}, ${time}: ${signed(cells[g][t], 3)}.`
  );
}

function largestCell(cells) {
  let best = [0, 0];
  cells.forEach((line, f) =>
    line.forEach((value, t) => {
      if (value > cells[best[0]][best[1]]) best = [f, t];
    }),
  );
  return best;
}

// -- what adds up ---------------------------------------------------------------------------------------------------------

function sumParts() {
  const chart = el("div", { class: "chart steps", role: "img", "aria-label": "What each band adds" });
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
  const table = el("details", {}, el("summary", {}, "Numbers by band"), el("table", {}, head, body));
  const title = el("h2", {}, "What adds up to the verdict");
  const panel = el("section", { class: "panel", "aria-label": "Sum of evidence" }, title, chart, sum, table);

  function write(row, kind) {
    const { found, reached, limit } = steps(row, kind);
    Object.assign(sum.dataset, { reached, total: found.at(-1).value });
    sum.textContent = sumWords(row, kind, found, limit);
    show(body, tableRows(found));
  }
  return { panel, chart, write };
}

function sumWords(row, kind, found, limit) {
  const total = found.at(-1).value;
  const bands = found.slice(kind === "novelty" ? 0 : 1, -1).reduce((sum, step) => sum + step.value, 0);
  const known = limit !== null && limit !== undefined;
  const verdict = known ? `, ${total > limit ? "above" : "not above"} its threshold ${plain(limit, 3)}` : "";
  if (kind === "novelty") return `All bands ${plain(bands, 3)} = novelty ${plain(total, 3)}${verdict}.`;
  return `bias ${signed(row.bias)} and all bands ${signed(bands)} = logit ${signed(total)}${verdict}.`;
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
  return [...rows, line([found.at(-1).name, "", signed(found.at(-1).value, 4)], { class: "total" })];
}
