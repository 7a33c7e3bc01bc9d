// What happened, newest first. Alarms are acknowledged here.

import { el, show } from "./dom.js";
import { acknowledgeForm } from "./forms.js";
import { addressIn, askAll, fleet, isPlant, isReadOnly, listen } from "./net.js";
import { fullTime, kindWord, machineOf, pointOf } from "./words.js";

const N = 100;

// What may be shown alone, by the kinds of its events; open: alarms that nobody has acknowledged.
const FILTERS = [
  { word: "All" },
  { word: "To acknowledge", open: true },
  { word: "Alarms", kinds: ["alarm_raised", "alarm_cleared", "alarm_acknowledged"] },
  { word: "Labels", kinds: ["label"] },
  { word: "Mutes", kinds: ["muted", "unmuted"] },
  { word: "Repairs", kinds: ["repair_noted", "repair_checked"] },
  {
    word: "Commissioning",
    kinds: ["commissioned", "commissioning_refused", "commissioning_undone", "geometry_changed"],
  },
  {
    word: "Sensors",
    kinds: ["silent", "back", "ambiguous", "not_understood", "format_wrong", "clock_wrong"].concat(
      ["snapshot_too_short", "never_whole", "period_wrong", "overload", "overload_over"],
      ["rate_wrong", "records_gone"],
    ),
  },
];

// instance : whose events; null for all
export function eventsView(view, sensor = null, instance = null) {
  const list = el("ul", { class: "events" });
  const more = el("button", { type: "button", onclick: () => load(false) }, "Earlier events");
  const empty = el("p", { class: "empty", hidden: true });
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Show only" });
  const title = sensor ? el("h2", {}, "Events of this point") : el("h1", {}, "Events");
  let filter = FILTERS[0];
  show(view, el("div", { class: "bar" }, title, chips), trouble, list, empty, more);
  let items = []; // { at_ms, node }
  const oldest = new Map(); // instance: its oldest event that is shown; null where there are no more
  writeChips();

  function writeChips() {
    const chip = (one) =>
      el(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(one === filter),
          onclick: () => {
            filter = one;
            writeChips();
            items = [];
            show(list);
            load(true);
          },
        },
        one.word,
      );
    show(chips, FILTERS.map(chip));
  }

  function address(before) {
    const query = new URLSearchParams({ n: N });
    if (before) query.set("before", before);
    if (sensor) query.set("sensor", sensor);
    if (filter.open) query.set("open", 1);
    for (const kind of filter.kinds ?? []) query.append("kind", kind);
    return `api/events?${query}`;
  }

  // anew: the newest of all, in place of what is shown; else what came before.
  async function load(anew) {
    const asked = filter;
    const all = instance === null ? fleet.instances : [{ instance }];
    const wanted = anew ? all : all.filter((one) => oldest.get(one.instance));
    const answers = await Promise.all(
      wanted.map(async (one) => {
        const before = anew ? null : oldest.get(one.instance);
        return (await askAll([one], address(before)))[0];
      }),
    );
    if (asked !== filter) return;
    if (anew && list.querySelector("form")) return; // somebody began to write meanwhile
    const wrong = answers.filter(({ error }) => error);
    trouble.textContent = wrong.map(({ error }) => error.message).join(" ");
    trouble.hidden = !wrong.length;
    if (wrong.length && wrong.length === answers.length) return; // what is known stays
    if (anew) items = [];
    for (const { one, tree } of answers) if (tree) take(one, tree);
    items.sort((a, b) => b.at_ms - a.at_ms);
    const nodes = items.map(({ node }) => node);
    if (anew) show(list, nodes);
    else list.append(...nodes);
    more.hidden = Boolean(filter.open) || ![...oldest.values()].some(Boolean);
    empty.hidden = list.children.length > 0;
    empty.textContent = emptyWords();
  }

  function take(one, events) {
    oldest.set(one.instance, events.length < N ? null : events.at(-1).event_id);
    for (const event of events)
      items.push({ at_ms: event.at_ms, node: item({ ...event, instance: one.instance }) });
  }

  function emptyWords() {
    if (filter.open) return "Nothing waits to be acknowledged.";
    if (filter.kinds) return `Nothing of this kind: ${filter.word.toLowerCase()}.`;
    return "Nothing has happened yet: no alarm, no label, no silent sensor.";
  }

  function item(event) {
    const entry = el(
      "li",
      { class: event.open ? `${event.kind} open` : event.kind },
      el("time", { dateTime: new Date(event.at_ms).toISOString() }, fullTime(event.at_ms)),
      el("span", { class: "kind" }, kindWord(event.kind)),
      whose(event),
      el("span", { class: "text" }, event.text),
    );
    if (isPlant() && !sensor) entry.append(el("span", { class: "quiet" }, nameOf(event.instance)));
    if (event.open && !isReadOnly(event.instance)) entry.append(acknowledgement(event));
    return entry;
  }

  // An event of the service itself has no sensor.
  function whose(event) {
    if (!event.sensor) return el("b", {}, "service");
    const href = addressIn(event.instance, event.sensor, `event/${event.event_id}`);
    if (sensor) return el("a", { href }, "show its window");
    const point = ` ${pointOf(event.sensor)}`;
    return el("a", { href }, el("b", {}, machineOf(event.sensor)), point);
  }

  function acknowledgement(event) {
    const place = el("div", { class: "acknowledge" });
    const close = () => show(place, button);
    const open = () => {
      const done = () => {
        show(place);
        return load(true);
      };
      show(place, acknowledgeForm(event.instance, event.event_id, done, close));
      place.querySelector("input").focus();
    };
    const button = el("button", { type: "button", onclick: open }, "Acknowledge");
    close();
    return place;
  }

  load(true);
  return listen((change) => {
    if (list.querySelector("form")) return; // somebody is writing
    if (change.all || change.events?.some((event) => !sensor || event.sensor === sensor))
      load(true);
  });
}

const nameOf = (instance) =>
  fleet.instances.find((one) => one.instance === instance)?.name ?? instance;
