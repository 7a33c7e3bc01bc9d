// The fleet: one tile a measuring point, those that ask for a look first; many healthy ones small.

import { choose, el, shape, show } from "./dom.js";
import { groupChoices, grouped, nameWithin } from "./fleet_groups.js";
import { fleet, listen, troubles } from "./net.js";
import { refusedTiles } from "./refused.js";
import { askSlopes, dayStrip, onSlopes, slopeNode, slopeOf } from "./trend_strip.js";
import {
  alarmWord,
  alsoWords,
  bandHolds,
  fullTime,
  machineOf,
  meaning,
  mutedWords,
  pointOf,
  STATUSES,
  shortTime,
  span,
  spelled,
  statusWord,
} from "./words.js";

const MANY = 24; // points from which on the healthy ones are small
const DENSITY_KEY = "camshaft.density";
const GROUPS_KEY = "camshaft.groups";
const ORDER_KEY = "camshaft.order";
const RESORT_MS = 10_000;

export const pointAddress = (sensor) => `#/point/${encodeURIComponent(sensor)}`;

// -- what comes first -------------------------------------------------------------------------

// An alarm that nobody has seen, NG without one, then what is known already.
export function rank(sensor) {
  const base = STATUSES.indexOf(sensor.status) + 10;
  if (sensor.muted) return base;
  const alarm = { raised: 0, unseen: 2, acknowledged: 3 }[sensor.alarm];
  if (alarm !== undefined) return alarm;
  return sensor.status === "NG" ? 1 : base;
}

export const asksForALook = (sensor) => rank(sensor) < 10 || sensor.status === "NG";

const badness = (sensor) => Math.max(sensor.probability ?? 0, Math.log10(1 + (sensor.ratio ?? 0)));

const byName = (a, b) => a.sensor.localeCompare(b.sensor, undefined, { numeric: true });

export const order = (a, b) =>
  rank(a) - rank(b) || (asksForALook(a) && badness(b) - badness(a)) || byName(a, b);

// By the least that a point rises with 95 % certainty, so that a steep guess does not lead; those without a slope last.
export function bySlope(slope) {
  const least = ({ sensor }) => slope(sensor)?.low ?? Number.NEGATIVE_INFINITY;
  return (a, b) => least(b) - least(a) || order(a, b);
}

const silent = () => fleet.instances.filter((one) => one.silent);

const rises = (sensor) => (slopeOf(sensor)?.low ?? 0) > 0;

// Every word must stand somewhere in what the tile spells: "mill-2 spindle", "no data", "alarm".
export function fits(sensor, text) {
  const place = `${spelled(sensor.sensor)} ${sensor.sensor}`;
  const told = `${statusWord(sensor.status)} ${alarmWord(sensor)} ${mutedWords(sensor)}`;
  const said = `${place} ${told} ${sensor.instance ?? ""}`;
  const where = said.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => where.includes(word));
}

// -- tiles ------------------------------------------------------------------------------------

function evidence(sensor) {
  if (sensor.status === "NO_ANSWER")
    return { text: `${statusWord(sensor.was)} when last heard`, share: null };
  if (sensor.probability !== null && sensor.probability !== undefined)
    return { text: `P(NG) ${sensor.probability.toFixed(2)}`, share: sensor.probability };
  if (sensor.ratio !== null && sensor.ratio !== undefined)
    return {
      text: `${sensor.ratio_of} ${sensor.ratio.toFixed(1)} × limit`,
      share: Math.min(1, sensor.ratio / 2),
    };
  return { text: sensor.reason.replaceAll("_", " "), share: null };
}

// Since its alarm began, where one stands: a status flips, an alarm does not.
export function began(sensor) {
  if (sensor.status === "NO_ANSWER") return { ms: sensor.since_ms, word: "since" };
  const stands = sensor.alarm === "raised" || sensor.alarm === "acknowledged";
  if (stands && sensor.alarm_since_ms) return { ms: sensor.alarm_since_ms, word: "alarm since" };
  if (sensor.alarm === "unseen" && sensor.alarm_cleared_ms)
    return { ms: sensor.alarm_cleared_ms, word: "alarm over since" };
  return { ms: sensor.since_ms, word: sensor.since_known ? "since" : "since before" };
}

function sinceWords(sensor) {
  const { ms, word } = began(sensor);
  return `${word} ${shortTime(ms)} (${span(Date.now() - ms)})`;
}

function badges(sensor) {
  const word = alarmWord(sensor);
  return [
    word ? el("span", { class: `alarm ${sensor.alarm}` }, word) : null,
    sensor.muted ? el("span", { class: "alarm muted" }, "muted") : null,
  ];
}

const whose = ({ instance }) => (instance ? el("span", { class: "quiet whose" }, instance) : null);

// machine: as it is called here; below a level's title without what the title says.
function tile(sensor, machine) {
  const { text, share } = evidence(sensor);
  const bar =
    share === null
      ? null
      : el("meter", { min: 0, max: 1, value: share, title: text, "aria-label": text });
  const link = {
    class: `tile ${sensor.status}`,
    href: pointAddress(sensor.sensor),
    title: [meaning(sensor.status), mutedWords(sensor), sensor.instance]
      .filter(Boolean)
      .join(" · "),
  };
  return el(
    "a",
    link,
    el(
      "span",
      { class: "state" },
      shape(sensor.status),
      el("strong", {}, statusWord(sensor.status)),
      el("span", { class: "badges" }, badges(sensor)),
    ),
    el(
      "span",
      { class: "name" },
      el("b", {}, machine),
      ` ${pointOf(sensor.sensor)}`,
      whose(sensor),
    ),
    el("span", { class: "since", title: fullTime(began(sensor).ms) }, sinceWords(sensor)),
    el("span", { class: "figure" }, text, bar),
    dayStrip(sensor.sensor),
    lastLine(sensor),
  );
}

function lastLine(sensor) {
  const why = sensor.trouble || alsoWords(sensor);
  if (why) return el("span", { class: "why", title: why }, why);
  const holds = sensor.band && sensor.status === "NG" ? bandHolds(sensor.band) : "\u00a0";
  return el("span", { class: "band" }, holds);
}

// One line: what it is, and how it is; where slopes are asked for, a second.
function smallTile(sensor, machine, withSlope) {
  const { text } = evidence(sensor);
  return el(
    "a",
    {
      class: `tile small ${sensor.status}`,
      "aria-label": `${statusWord(sensor.status)} ${spelled(sensor.sensor)}`,
      href: pointAddress(sensor.sensor),
      title: `${meaning(sensor.status)} · ${sinceWords(sensor)} · ${text}`,
    },
    el("span", { class: "state" }, shape(sensor.status)),
    el("span", { class: "name" }, el("b", {}, machine), ` ${pointOf(sensor.sensor)}`),
    el("span", { class: "badges" }, badges(sensor)),
    withSlope ? slopeNode(sensor.sensor) : null,
  );
}

// -- the view ---------------------------------------------------------------------------------

export function fleetView(view) {
  const wanted = { status: null, unseen: null, text: "" };
  const tiles = new Map(); // sensor: its element
  const stored = localStorage.getItem(DENSITY_KEY);
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Show only" });
  const search = el("input", {
    type: "search",
    placeholder: "Find a machine",
    "aria-label": "Find a machine",
    oninput: () => {
      wanted.text = search.value;
      arrange();
    },
  });
  const density = el(
    "select",
    { "aria-label": "Size of the tiles", onchange: () => remember(DENSITY_KEY, density.value) },
    [
      ["auto", "Tiles: as they fit"],
      ["large", "Tiles: large"],
      ["small", "Tiles: small"],
    ].map(([value, word]) => el("option", { value }, word)),
  );
  density.value = stored ?? "auto";
  const groups = el("select", {
    "aria-label": "Groups",
    onchange: () => {
      grouping = groups.value;
      remember(GROUPS_KEY, grouping);
    },
  });
  let grouping = localStorage.getItem(GROUPS_KEY) ?? "none";
  const sorting = el(
    "select",
    { "aria-label": "Order", onchange: () => remember(ORDER_KEY, sorting.value) },
    el("option", { value: "worst" }, "Worst first"),
    el("option", { value: "slope" }, "Fastest rising first"),
  );
  sorting.value = localStorage.getItem(ORDER_KEY) === "slope" ? "slope" : "worst";
  const places = el("div", { id: "fleet" });
  const empty = el("p", { class: "empty" });
  const refused = refusedTiles();
  const layout = el("div", { class: "controls" }, search, sorting, groups, density);
  const bar = el("div", { class: "bar" }, el("h1", {}, "Fleet"), chips, layout);
  show(view, bar, refused.grid, places, empty);

  function remember(key, value) {
    localStorage.setItem(key, value);
    all();
  }

  const visible = (sensor) =>
    (!wanted.status || sensor.status === wanted.status) &&
    (!wanted.unseen || sensor.alarm_event) &&
    fits(sensor, wanted.text.trim());

  const isBySlope = () => sorting.value === "slope";
  const isGrouped = () => groups.value !== "none";

  function isSmall(sensor) {
    if (isBySlope() && density.value === "auto" && rises(sensor.sensor)) return false;
    if (isGrouped()) return density.value !== "large" && !asksForALook(sensor);
    if (density.value !== "auto") return density.value === "small";
    return fleet.sensors.size >= MANY && !asksForALook(sensor);
  }

  function chip(key, value, classes, ...content) {
    const on = wanted[key] === value;
    const toggle = () => {
      wanted[key] = on ? null : value;
      arrange();
    };
    const more = { type: "button", class: `chip ${classes}`, "aria-pressed": String(on) };
    return el("button", { ...more, onclick: toggle }, content);
  }

  function countChips() {
    const sensors = [...fleet.sensors.values()];
    const counts = Map.groupBy(sensors, ({ status }) => status);
    const n_unseen = sensors.filter((sensor) => sensor.alarm_event).length;
    if (!n_unseen) wanted.unseen = null;
    const word = n_unseen === 1 ? "alarm to acknowledge" : "alarms to acknowledge";
    show(
      chips,
      n_unseen ? chip("unseen", true, "unseen", `${n_unseen} ${word}`) : null,
      STATUSES.filter((status) => counts.has(status)).map((status) =>
        chip(
          "status",
          status,
          status,
          shape(status),
          `${counts.get(status).length} ${statusWord(status)}`,
        ),
      ),
    );
  }

  function refresh(name) {
    const sensor = fleet.sensors.get(name);
    const machine = isGrouped() ? nameWithin(name, groups.value) : machineOf(name);
    const fresh = isSmall(sensor) ? smallTile(sensor, machine, isBySlope()) : tile(sensor, machine);
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
    const first = isBySlope() ? bySlope(slopeOf) : order;
    const shown = [...fleet.sensors.values()].filter(visible).sort(first);
    if (isBySlope()) askSlopes(shown.map(({ sensor }) => sensor));
    const focused = document.activeElement;
    show(places, isGrouped() ? sections(shown) : sizes(shown));
    if (places.contains(focused)) focused.focus({ preventScroll: true });
    empty.textContent = emptyWords(shown.length);
    empty.hidden = shown.length > 0;
  }

  // Large ones in a grid, small ones in another below it.
  function sizes(shown) {
    const parts = [false, true].map((small) => shown.filter((sensor) => isSmall(sensor) === small));
    return parts.map((sensors, small) =>
      sensors.length
        ? el(
            "div",
            { class: small ? "grid dense" : "grid" },
            sensors.map(({ sensor }) => tiles.get(sensor)),
          )
        : null,
    );
  }

  // Machines stand beside each other; of wider places each takes the whole width.
  function sections(shown) {
    const nodes = [...grouped(shown, groups.value)].map(([name, sensors]) => {
      const n = sensors.length === 1 ? "1 point" : `${sensors.length} points`;
      const title = el("h2", {}, shape(sensors[0].status), name, el("span", { class: "quiet" }, n));
      return el("section", { class: `machine ${sensors[0].status}` }, title, sizes(sensors));
    });
    return el("div", { class: groups.value === "machine" ? "machines" : "places" }, nodes);
  }

  function emptyWords(n) {
    if (n || !fleet.known || troubles().length || silent().length) return "";
    if (fleet.sensors.size) return "No machine fits what you look for.";
    return (
      "No verdict yet. They appear here by themselves once the service has judged its first window: see that it runs, " +
      "and that sensors publish on the topics of its configuration (camshaft doctor checks each step)."
    );
  }

  // What there is to choose depends on the names; a choice that is remembered holds once they are there.
  function offerGroups() {
    const choices = groupChoices([...fleet.sensors.keys()]);
    const can = choices.some(([value]) => value === grouping);
    choose(groups, choices, can ? grouping : "none");
  }

  function all() {
    offerGroups();
    tiles.clear();
    for (const name of fleet.sensors.keys()) refresh(name);
    arrange();
  }

  const placeOf = (sensor) => sensor && `${rank(sensor)} ${sensor.alarm} ${isSmall(sensor)}`;
  const known = new Map(); // sensor: its place when it was last arranged
  const stop = listen((change) => {
    if (change.all) return all();
    let moved = false;
    for (const name of change.sensors ?? []) {
      const place = placeOf(fleet.sensors.get(name));
      moved ||= known.get(name) !== place;
      known.set(name, place);
      refresh(name);
    }
    if (moved) arrange();
  });
  const stopSlopes = onSlopes(() => isBySlope() && all());
  // Times grow, and the worst may have changed places.
  const clock = setInterval(() => {
    for (const [name, element] of tiles) {
      const since = element.querySelector(".since");
      if (since) since.textContent = sinceWords(fleet.sensors.get(name));
    }
    if (view.querySelector(":focus-visible")) return;
    offerGroups();
    arrange();
  }, RESORT_MS);
  all();
  return () => {
    stop();
    stopSlopes();
    refused.stop();
    clearInterval(clock);
  };
}
