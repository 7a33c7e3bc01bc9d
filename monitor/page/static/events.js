// What happened, newest first. Alarms are acknowledged here.

import { el, show } from "./dom.js";
import { noteForm } from "./forms.js";
import { get, listen, post } from "./net.js";
import { fullTime, kindWord, machineOf, pointOf } from "./words.js";

const N = 100;

export function eventsView(view, sensor = null) {
  const list = el("ul", { class: "events" });
  const more = el("button", { type: "button", onclick: () => load(oldest) }, "Earlier events");
  const empty = el(
    "p",
    { class: "empty", hidden: true },
    "Nothing has happened yet: no alarm, no label, no silent sensor.",
  );
  show(
    view,
    sensor
      ? el("h2", {}, "Events of this point")
      : el("div", { class: "bar" }, el("h1", {}, "Events")),
    list,
    empty,
    more,
  );
  let oldest = null;

  async function load(before) {
    const query = new URLSearchParams({ n: N });
    if (before) query.set("before", before);
    if (sensor) query.set("sensor", sensor);
    try {
      const events = await get(`api/events?${query}`);
      if (!before && list.querySelector("form")) return; // somebody began to write meanwhile
      if (!before) show(list);
      list.append(...events.map(item));
      oldest = events.at(-1)?.event_id ?? oldest;
      more.hidden = events.length < N;
      empty.hidden = list.children.length > 0;
    } catch (error) {
      show(list, el("li", { class: "trouble" }, error.message));
    }
  }

  function item(event) {
    const entry = el(
      "li",
      { class: event.kind },
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
    const open = () => {
      show(
        place,
        noteForm(
          "Acknowledge",
          async (note) => {
            await post("api/acknowledgements", { event_id: event.event_id, ...note });
            show(place);
            await load(null);
          },
          () => show(place, button),
        ),
      );
      place.querySelector("input").focus();
    };
    const button = el("button", { type: "button", onclick: open }, "Acknowledge");
    show(place, button);
    return place;
  }

  load(null);
  return listen((change) => {
    if (list.querySelector("form")) return; // somebody is writing
    if (change.all || change.events?.some((event) => !sensor || event.sensor === sensor))
      load(null);
  });
}
