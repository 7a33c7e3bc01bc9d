// The tabs of a point's view: what else one may see of it, one at a time.
//
// To add one, write a module with
//
//     export function tab(place, point) → { write(), close() }
//
// and one line in TABS. `place` is its empty element. `point` is what it may ask and do:
//
//     point.sensor      "machine/point"
//     point.instance    whose windows are shown; point.base: where its addresses begin
//     point.row         the window that is shown, as api/rows/<row> tells it
//     point.rows        the windows on the time line, oldest first
//     point.select(row) show another window;  point.say(error) show a sentence at the top
//
// tab() is called when the tab is first opened, and may be async. write() is called whenever the
// window, the colours or the size changed, but only while the tab is open. close() ends it all.
// A link opens a tab by its id: #/point/<sensor>/row/<row>?tab=<id>

import { el } from "./dom.js";
import { answered } from "./net.js";

const TABS = [
  // one window
  { id: "map", title: "Map", load: () => import("./map_tab.js") },
  { id: "spectrum", title: "Spectrum and sound", load: () => import("./spectrum.js") },
  // many windows

  // the machine
  { id: "diagnosis", title: "What is broken", load: () => import("./diagnosis.js") },
];

export function tabsOf(point, wanted, changed) {
  const opened = new Map(); // id: {place, found}
  const bar = el("div", { class: "tabs", role: "tablist", "aria-label": "What to look at" });
  const places = el("div", { class: "places" });
  let chosen = TABS.find(({ id }) => id === wanted) ?? TABS[0];
  let left = false;
  const buttons = TABS.map((one) => bar.appendChild(tabButton(one, choose, move)));
  bar.hidden = TABS.length < 2;

  function choose(one) {
    chosen = one;
    mark();
    changed(one === TABS[0] ? "" : one.id);
    return open().catch(point.say);
  }

  function mark() {
    for (const [index, one] of TABS.entries()) {
      const on = one === chosen;
      buttons[index].setAttribute("aria-selected", String(on));
      buttons[index].tabIndex = on ? 0 : -1;
    }
    for (const [id, { place }] of opened) place.hidden = id !== chosen.id;
  }

  function move(one, by) {
    const next = TABS.at((TABS.indexOf(one) + by) % TABS.length);
    buttons[TABS.indexOf(next)].focus();
    return choose(next);
  }

  // A module is loaded once, and its tab made once there is a window to show.
  async function open() {
    if (!point.row || left) return;
    const { id, title, load } = chosen;
    const known = opened.get(id);
    if (known) return known.found?.write();
    const place = el("div", { class: "place", role: "tabpanel", "aria-label": title });
    const entry = { place, found: null };
    opened.set(id, entry);
    places.append(place);
    const { tab } = await answered(load);
    entry.found = await tab(place, point);
    if (left) return entry.found.close();
    entry.found.write();
  }

  function close() {
    left = true;
    for (const { found } of opened.values()) found?.close();
  }
  mark();
  return { nodes: [bar, places], write: () => open().catch(point.say), close };
}

function tabButton(one, choose, move) {
  const work = { ArrowLeft: () => move(one, -1), ArrowRight: () => move(one, 1) };
  return el(
    "button",
    {
      type: "button",
      role: "tab",
      id: `tab-${one.id}`,
      onclick: () => choose(one),
      onkeydown: (event) => {
        if (!work[event.key]) return;
        event.preventDefault();
        event.stopPropagation(); // the arrows step through windows elsewhere
        work[event.key]();
      },
    },
    one.title,
  );
}
