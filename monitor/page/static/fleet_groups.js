// Points together that stand together: by machine, or by the levels before it in a name (site, area, line).

import { machineOf } from "./words.js";

const N_LEVELS = 3;
const N_EXAMPLES = 2;
const N_CHARACTERS = 18; // of an example

// "hamburg.line-3.pump-1" has three levels, as "hall 0/line 2/pump" has; each with what stands before it.
function prefixes(machine) {
  const ends = [...machine.matchAll(/[./]/g)].map((match) => match.index);
  return [...ends, machine.length].map((end) => machine.slice(0, end));
}

// by: "machine", or the number of a level from 1 on. A name of fewer levels stands for itself.
export function groupOf(sensor, by) {
  const machine = machineOf(sensor);
  if (by === "machine") return machine;
  return prefixes(machine)[Number(by) - 1] ?? machine;
}

// What tells a machine apart within its group: "pump-1" of "hamburg.line-3.pump-1" below "hamburg.line-3".
export function nameWithin(sensor, by) {
  const machine = machineOf(sensor);
  return machine.slice(groupOf(sensor, by).length + 1) || machine;
}

// In the order of their first points, each with its points.
export function grouped(sensors, by) {
  const groups = new Map();
  for (const sensor of sensors) {
    const name = groupOf(sensor.sensor, by);
    groups.set(name, [...(groups.get(name) ?? []), sensor]);
  }
  return groups;
}

// What these names can be grouped by: [value, words]; a level that all share, or that tells no more than another, is left out.
export function groupChoices(names) {
  const choices = [
    ["none", "No groups"],
    ["machine", "By machine"],
  ];
  const seen = new Set([1, new Set(names.map(machineOf)).size]);
  for (let level = 1; level <= N_LEVELS; level += 1) {
    const found = [...new Set(names.map((name) => groupOf(name, level)))];
    if (seen.has(found.length)) continue;
    seen.add(found.length);
    choices.push([String(level), `By level ${level}: ${examples(found)}`]);
  }
  return choices;
}

function examples(groups) {
  const sorted = groups.toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const shown = sorted.slice(0, N_EXAMPLES).map(shortened);
  return shown.join(", ") + (groups.length > N_EXAMPLES ? ", …" : "");
}

const shortened = (text) =>
  text.length > N_CHARACTERS ? `…${text.slice(1 - N_CHARACTERS)}` : text;
