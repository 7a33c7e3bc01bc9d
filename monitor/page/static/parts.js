// The parts of a point's view: head, time line, tabs, labels, details. No requests, no charts: point.js does both.

import { answerParts } from "./answer.js";
import { el, show } from "./dom.js";
import { commissionForm, labelForm } from "./forms.js";
import { fleet, isReadOnly } from "./net.js";
import {
  alsoWords,
  fullTime,
  machineOf,
  plain,
  pointOf,
  statusWord,
  UNDONE_WORDS,
} from "./words.js";

// instance: whose windows they are. act: what the buttons do. tabs: the elements of tabs.js.
export function layout({ sensor, instance }, state, tabs, act) {
  const toLabel = () => {
    labels.panel.scrollIntoView({ block: "start" });
    labels.panel.querySelector("input")?.focus({ preventScroll: true });
  };
  const head = headParts(sensor, instance, toLabel);
  const time = timeParts(state, act);
  const labels = labelParts(instance, state, act);
  const details = el("dl", { class: "details" });
  const events = el("section", { class: "panel" });
  const aside = el("section", { class: "panel" }, el("h2", {}, "Details"), details);
  const commissioning = el(
    "section",
    { class: "panel" },
    el("h2", {}, "Is the machine healthy, and this its normal?"),
    commissionForm(sensor),
  );
  const nodes = [
    head.bar,
    head.message,
    head.answer,
    head.why,
    time.panel,
    tabs,
    el("div", { class: "two" }, labels.panel, aside),
    canCommission(instance) ? commissioning : null,
    events,
  ].filter(Boolean);

  function write(row, compared) {
    head.write(state.rows);
    time.write(row, compared);
    labels.write(row);
    writeDetails(details, row);
    document.title = `${row.status} ${sensor} · Camshaft`;
  }
  return { nodes, head, time, labels, events, write };
}

// Its limits are the configuration's of its own service.
const canCommission = (instance) =>
  fleet.instances.some((one) => one.instance === instance && one.is_ours);

// Of a page elsewhere, or of a journal that is not shown any more.
function elsewhereNote(instance) {
  if (!isReadOnly(instance)) return null;
  const found = fleet.instances.find((one) => one.instance === instance);
  const link = found?.url ? el("a", { href: found.url }, "its own page") : "its own page";
  return el("p", { class: "quiet elsewhere" }, `Shown from ${instance}. To act, open `, link, ".");
}

function headParts(sensor, instance, label) {
  const title = el("h1", {}, el("b", {}, machineOf(sensor)), ` ${pointOf(sensor)}`);
  const note = elsewhereNote(instance);
  const back = el("a", { href: "#/", class: "back" }, "‹ Fleet");
  const bar = el("div", { class: "bar" }, back, title, note);
  const message = el("p", { class: "trouble", role: "alert", hidden: true });
  const why = el("p", { class: "trouble", hidden: true });
  const answer = answerParts(sensor, label);

  function write(rows) {
    const now = fleet.sensors.get(sensor);
    why.textContent = [now?.trouble, now && alsoWords(now)].filter(Boolean).join(" · ");
    why.hidden = !why.textContent;
    answer.write(rows);
  }
  return { bar, why, message, answer: answer.panel, write };
}

function timeParts(state, act) {
  const button = (text, work, more) =>
    el("button", { type: "button", onclick: work, ...more }, text);
  const follow = {
    "aria-pressed": String(state.following),
    title: "Follow the newest window (key L)",
  };
  const live = button("Live", () => act.follow(true), follow);
  const compare = button("Compare with last OK", act.compare, {
    "aria-pressed": "false",
    title: "Key C",
  });
  const facts = el("p", { class: "facts", "aria-label": "The window shown" });
  const chart = el("div", {
    class: "chart timeline",
    role: "img",
    "aria-label": "Verdicts over time",
  });
  const back = button("‹ window", () => act.step(-1), { title: "Left arrow" });
  const forth = button("window ›", () => act.step(1), { title: "Right arrow" });
  const controls = el(
    "div",
    { class: "controls" },
    back,
    forth,
    button("Earlier", act.earlier),
    live,
    compare,
    facts,
  );
  const panel = el("section", { class: "panel", "aria-label": "Time line" }, controls, chart);

  function write(row, compared) {
    const chance = row.probability === null ? [] : [`P(NG) ${plain(row.probability, 3)}`];
    const why = row.reason ? [row.reason.replaceAll("_", " ")] : [];
    const undone = row.undone ? [UNDONE_WORDS] : [];
    const noMap = row.maps === null && row.evidence.length ? ["its map was not kept"] : [];
    const all = [
      fullTime(row.end_ms),
      statusWord(row.status),
      ...chance,
      ...why,
      ...undone,
      ...noMap,
    ];
    facts.textContent = all.join(" · ");
    compare.setAttribute("aria-pressed", String(Boolean(compared)));
  }
  return { panel, chart, live, write };
}

function labelParts(instance, state, act) {
  const list = el("ul", { class: "labels" });
  const form = isReadOnly(instance)
    ? el("p", { class: "quiet" }, `Labels are given on the page of ${instance}.`)
    : labelForm(instance, () => state.row?.row, act.reloadLabels);
  const panel = el(
    "section",
    { class: "panel" },
    el("h2", {}, "Is the verdict right?"),
    form,
    list,
  );
  return { panel, write: (row) => show(list, row.labels.map(labelItem)) };
}

function labelItem(label) {
  const mode = label.failure_mode ? ` (${label.failure_mode})` : "";
  const author = label.author ? ` by ${label.author}` : "";
  const comment = label.comment ? el("q", {}, label.comment) : null;
  return el(
    "li",
    {},
    el("b", {}, label.word),
    `${mode}${author} · ${fullTime(label.at_ms)}`,
    comment,
  );
}

function writeDetails(list, row) {
  const pairs = [
    ["Row", row.row],
    ["Model", row.model_id || "none: novelty alone judges"],
    ["Window", `${fullTime(row.start_ms)}, ${plain((row.end_ms - row.start_ms) / 1000, 3)} s`],
    ...row.evidence.map((evidence) => [scoreName(evidence), scoreWords(evidence)]),
    ["Residual of the map", row.residual === null ? "–" : row.residual.toExponential(1)],
    ["Running", { true: "yes", false: "no" }[row.running] ?? "not known"],
    ...(row.context ? [["Context", row.context]] : []),
    ["Continuity", row.continuity],
    ["Raw samples", row.has_kept_window ? "kept" : "not kept"],
    ...Object.entries(row.quality).map(([name, value]) => [qualityName(name), plain(value, 4)]),
  ];
  show(
    list,
    pairs.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]),
  );
}

// "Logit", "Novelty": the unit of a score is its name.
const scoreName = ({ unit }) => unit[0].toUpperCase() + unit.slice(1).replaceAll("_", " ");

function scoreWords({ score, threshold }) {
  const limit = threshold === null ? "" : ` (threshold ${plain(threshold, 3)})`;
  return plain(score, 4) + limit;
}

const qualityName = (name) =>
  name.replace("_ms2", " (m/s²)").replace("_mm_s", " (mm/s)").replaceAll("_", " ");
