// What was refused: messages that could not be used, by topic and reason, with what to change.

import { el, shape, show } from "./dom.js";
import { askAll, fleet, isPlant, listen } from "./net.js";
import { fullTime, meaning, shortTime } from "./words.js";

const N_TILES = 6;
const RELOAD_MS = 5_000;

export function refusedView(view) {
  const list = el("ul", { class: "refusals" });
  show(view, el("div", { class: "bar" }, el("h1", {}, "Refused messages")), list);

  async function load() {
    const answers = await askAll(fleet.instances, "api/refused");
    const wrong = answers.filter(({ error }) => error);
    const found = answers.flatMap(({ one, tree }) =>
      (tree?.refused ?? []).map((refused) => ({ ...refused, whose: isPlant() ? one.name : "" })),
    );
    const nothing = el("li", { class: "empty" }, "No message was refused within the last day.");
    show(
      list,
      wrong.map(({ error }) => el("li", { class: "trouble" }, error.message)),
      found.length || wrong.length ? found.map(entry) : nothing,
    );
  }

  load();
  const clock = setInterval(load, RELOAD_MS);
  return () => clearInterval(clock);
}

function entry({ sensor, topic, n, last_ms, detail, n_bytes, first_bytes, whose }) {
  const count = n === 1 ? "1 message" : `${n.toLocaleString()} messages`;
  return el(
    "li",
    {},
    el("b", {}, sensor || topic),
    whose ? el("span", { class: "quiet" }, whose) : null,
    el("span", { class: "quiet" }, `${count}, the last ${fullTime(last_ms)}`),
    el("span", { class: "text" }, detail),
    el("span", { class: "quiet" }, sensor ? `On ${topic}, ` : "", `${n_bytes} bytes, the first `),
    el("code", {}, first_bytes),
  );
}

// Topics whose messages nothing is made of, not even a sensor's name: they stand above the fleet.
export function refusedTiles() {
  const grid = el("div", { class: "grid refused", id: "refused", hidden: true });

  function draw() {
    const { refused } = fleet;
    grid.hidden = refused.length === 0;
    show(grid, refused.slice(0, N_TILES).map(tile), more(refused.length - N_TILES));
  }

  draw();
  const stop = listen((change) => {
    if (change.all || change.refused) draw();
  });
  return { grid, stop };
}

function tile({ topic, detail, last_ms }) {
  return el(
    "a",
    { class: "tile BAD_DATA", href: "#/refused", title: meaning("BAD_DATA") },
    el("span", { class: "state" }, shape("BAD_DATA"), el("strong", {}, "BAD DATA")),
    el("span", { class: "name", title: topic }, el("b", {}, topic)),
    el("span", { class: "since" }, `last ${shortTime(last_ms)}`),
    el("span", { class: "figure" }, "not understood"),
    el("span", { class: "why", title: detail }, detail),
  );
}

function more(n) {
  return n > 0 ? el("a", { class: "tile", href: "#/refused" }, `and ${n} more topics`) : null;
}
