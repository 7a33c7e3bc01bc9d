// What happened, newest first. Alarms are acknowledged here.

import { el, show } from "./dom.js";
import { acknowledgeForm } from "./forms.js";
import { get, listen } from "./net.js";
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
    kinds: ["silent", "back", "not_understood", "format_wrong", "clock_wrong", "rate_wrong"].concat(
      ["snapshot_too_short", "period_wrong", "overload", "overload_over", "records_gone"],
    ),
  },
];

export function eventsView(view, sensor = null) {
  const list = el("ul", { class: "events" });
  const more = el("button", { type: "button", onclick: () => load(oldest) }, "Earlier events");
  const empty = el("p", { class: "empty", hidden: true });
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Show only" });
  const title = sensor ? el("h2", {}, "Events of this point") : el("h1", {}, "Events");
  let filter = FILTERS[0];
  show(view, el("div", { class: "bar" }, title, chips), trouble, list, empty, more);
  let oldest = null;
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
            show(list);
            load(null);
          },
        },
        one.word,
      );
    show(chips, FILTERS.map(chip));
  }

  async function load(before) {
    const query = new URLSearchParams({ n: N });
    if (before) query.set("before", before);
    if (sensor) query.set("sensor", sensor);
    if (filter.open) query.set("open", 1);
    for (const kind of filter.kinds ?? []) query.append("kind", kind);
    const asked = filter;
    try {
      const events = await get(`api/events?${query}`);
      if (asked !== filter) return;
      if (!before && list.querySelector("form")) return; // somebody began to write meanwhile
      if (!before) show(list);
      list.append(...events.map(item));
      oldest = events.at(-1)?.event_id ?? oldest;
      more.hidden = events.length < N || Boolean(filter.open);
      empty.hidden = list.children.length > 0;
      empty.textContent = emptyWords();
      trouble.hidden = true;
    } catch (error) {
      // What is known stays: the server may be back in a moment.
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
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
    if (event.open) entry.append(acknowledgement(event));
    return entry;
  }

  // An event of the service itself has no sensor.
  function whose(event) {
    if (!event.sensor) return el("b", {}, "service");
    const address = `#/point/${encodeURIComponent(event.sensor)}/event/${event.event_id}`;
    if (sensor) return el("a", { href: address }, "show its window");
    const point = ` ${pointOf(event.sensor)}`;
    return el("a", { href: address }, el("b", {}, machineOf(event.sensor)), point);
  }

  function acknowledgement(event) {
    const place = el("div", { class: "acknowledge" });
    const close = () => show(place, button);
    const open = () => {
      const done = () => {
        show(place);
        return load(null);
      };
      show(place, acknowledgeForm(event.event_id, done, close));
      place.querySelector("input").focus();
    };
    const button = el("button", { type: "button", onclick: open }, "Acknowledge");
    close();
    return place;
  }

  load(null);
  return listen((change) => {
    if (list.querySelector("form")) return; // somebody is writing
    if (change.all || change.events?.some((event) => !sensor || event.sensor === sensor))
      load(null);
  });
}
