// The fleet: one tile a measuring point, those that ask for a look first.

import { el, shape, show } from "./dom.js";
import { fleet, listen } from "./net.js";
import { refusedTiles } from "./refused.js";
import { dayStrip } from "./trend_strip.js";
import {
  bandWords,
  fullTime,
  machineOf,
  meaning,
  percent,
  pointOf,
  STATUSES,
  shortTime,
  span,
  statusWord,
} from "./words.js";

const ALARM_WORDS = { raised: "ALARM", acknowledged: "alarm seen" };

export const pointAddress = (sensor) => `#/point/${encodeURIComponent(sensor)}`;

const rank = (sensor) => {
  const alarm = { raised: 0, acknowledged: 1 }[sensor.alarm] ?? 2;
  return 10 * Math.min(alarm, sensor.status === "NG" ? 1 : 2) + STATUSES.indexOf(sensor.status);
};

const order = (a, b) =>
  rank(a) - rank(b) || a.sensor.localeCompare(b.sensor, undefined, { numeric: true });

function evidence(sensor) {
  if (sensor.probability !== null && sensor.probability !== undefined)
    return { text: `P(NG) ${sensor.probability.toFixed(2)}`, share: sensor.probability };
  if (sensor.ratio !== null && sensor.ratio !== undefined)
    return {
      text: `${sensor.ratio_of} ${sensor.ratio.toFixed(1)} × limit`,
      share: Math.min(1, sensor.ratio / 2),
    };
  return { text: sensor.reason.replaceAll("_", " "), share: null };
}

function sinceWords(sensor) {
  const known = sensor.since_known ? "since" : "since before";
  return `${known} ${shortTime(sensor.since_ms)} (${span(Date.now() - sensor.since_ms)})`;
}

function tile(sensor) {
  const { text, share } = evidence(sensor);
  const band = sensor.band;
  const bar =
    share === null
      ? null
      : el("meter", { min: 0, max: 1, value: share, title: text, "aria-label": text });
  return el(
    "a",
    {
      class: `tile ${sensor.status}`,
      href: pointAddress(sensor.sensor),
      title: meaning(sensor.status),
    },
    el(
      "span",
      { class: "state" },
      shape(sensor.status),
      el("strong", {}, statusWord(sensor.status)),
      ALARM_WORDS[sensor.alarm]
        ? el("span", { class: `alarm ${sensor.alarm}` }, ALARM_WORDS[sensor.alarm])
        : null,
    ),
    el(
      "span",
      { class: "name" },
      el("b", {}, machineOf(sensor.sensor)),
      ` ${pointOf(sensor.sensor)}`,
    ),
    el("span", { class: "since", title: fullTime(sensor.since_ms) }, sinceWords(sensor)),
    el("span", { class: "figure" }, text, bar),
    dayStrip(sensor.sensor),
    sensor.trouble ? el("span", { class: "why", title: sensor.trouble }, sensor.trouble) : null,
    sensor.trouble
      ? null
      : el(
          "span",
          { class: "band" },
          band && sensor.status === "NG"
            ? `${bandWords(band[0], band[1])} · ${percent(band[2])}`
            : "\u00a0",
        ),
  );
}

export function fleetView(view) {
  const wanted = { status: null, text: "" };
  const tiles = new Map(); // sensor: its element
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Show only" });
  const search = el("input", {
    type: "search",
    placeholder: "Find a machine",
    "aria-label": "Find a machine",
    oninput: () => {
      wanted.text = search.value.toLowerCase();
      arrange();
    },
  });
  const grid = el("div", { class: "grid", id: "fleet" });
  const empty = el("p", { class: "empty" });
  const refused = refusedTiles();
  const bar = el("div", { class: "bar" }, el("h1", {}, "Fleet"), chips, search);
  show(view, bar, refused.grid, grid, empty);

  const visible = (sensor) =>
    (!wanted.status || sensor.status === wanted.status) &&
    sensor.sensor.toLowerCase().includes(wanted.text);

  function countChips() {
    const counts = new Map();
    for (const { status } of fleet.sensors.values())
      counts.set(status, (counts.get(status) ?? 0) + 1);
    show(
      chips,
      STATUSES.filter((status) => counts.has(status)).map((status) =>
        el(
          "button",
          {
            type: "button",
            class: `chip ${status}`,
            "aria-pressed": String(wanted.status === status),
            onclick: () => {
              wanted.status = wanted.status === status ? null : status;
              arrange();
            },
          },
          shape(status),
          `${counts.get(status)} ${statusWord(status)}`,
        ),
      ),
    );
  }

  function refresh(name) {
    const fresh = tile(fleet.sensors.get(name));
    const old = tiles.get(name);
    if (old) {
      const focused = document.activeElement === old;
      old.replaceWith(fresh);
      if (focused) fresh.focus({ preventScroll: true });
    }
    tiles.set(name, fresh);
  }

  function arrange() {
    countChips();
    const shown = [...fleet.sensors.values()].filter(visible).sort(order);
    const focused = document.activeElement;
    show(
      grid,
      shown.map((sensor) => tiles.get(sensor.sensor)),
    );
    if (grid.contains(focused)) focused.focus({ preventScroll: true });
    empty.textContent = emptyWords(shown.length);
    empty.hidden = shown.length > 0;
  }

  function emptyWords(n) {
    if (n || !fleet.known || fleet.trouble) return "";
    if (fleet.sensors.size) return "No machine fits what you look for.";
    return (
      "No verdict yet. They appear here by themselves once the service has judged its first window: see that it runs, " +
      "and that sensors publish on the topics of its configuration (camshaft doctor checks each step)."
    );
  }

  function all() {
    tiles.clear();
    for (const name of fleet.sensors.keys()) refresh(name);
    arrange();
  }

  const placeOf = (name) => tiles.get(name)?.className;
  const stop = listen((change) => {
    if (change.all) return all();
    let moved = false;
    for (const name of change.sensors ?? []) {
      const before = placeOf(name) + tiles.get(name)?.querySelector(".alarm")?.className;
      refresh(name);
      moved ||= before !== placeOf(name) + tiles.get(name)?.querySelector(".alarm")?.className;
    }
    if (moved) arrange();
  });
  const clock = setInterval(() => {
    for (const [name, element] of tiles)
      element.querySelector(".since").textContent = sinceWords(fleet.sensors.get(name));
  }, 10_000);
  all();
  return () => {
    stop();
    refused.stop();
    clearInterval(clock);
  };
}
