// Condition indicators of one window: the figures that vibration analysts read first.

import { el, show } from "./dom.js";
import { plain } from "./words.js";

const NAMES = {
  rms_ms2: ["RMS acceleration", "m/s²"],
  peak_ms2: ["Peak", "m/s²"],
  peak_to_peak_ms2: ["Peak to peak", "m/s²"],
  crest: ["Crest factor", ""],
  kurtosis: ["Kurtosis", ""],
  velocity_rms_mm_s: ["RMS velocity, 10 to 1000 Hz", "mm/s"],
  velocity_rms_from_2hz_mm_s: ["RMS velocity, 2 to 1000 Hz", "mm/s"],
  zone: ["Zone (ISO 20816-3)", ""],
};

export function conditionPart() {
  const list = el("dl", { class: "details" });
  const title = el("h2", {}, "Condition indicators");
  const panel = el("section", { class: "panel", hidden: true }, title, list);

  function write({ indicators }) {
    const pairs = Object.entries(indicators).map(([name, value]) => words(name, value));
    panel.hidden = pairs.length === 0;
    show(
      list,
      pairs.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    );
  }
  return { panel, write };
}

// A name as the service gives it, of one channel or of all: its title, unit and what it begins with.
function partsOf(name) {
  const dot = name.indexOf(".");
  const [base, channel] = dot < 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot + 1)];
  const [title, unit] = NAMES[base] ?? [base.replaceAll("_", " "), ""];
  return { base, title: channel ? `${title}, ${channel}` : title, unit };
}

// "Peak, z (m/s²)"
export function indicatorWord(name) {
  const { title, unit } = partsOf(name);
  return unit ? `${title} (${unit})` : title;
}

function words(name, value) {
  const { base, title, unit } = partsOf(name);
  const text = base === "zone" ? "ABCD"[value - 1] : `${plain(value, 3)} ${unit}`.trim();
  return [title, text];
}
