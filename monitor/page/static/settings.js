// What the configuration file would change in the service, and having it read anew.

import { el, show } from "./dom.js";
import { noteForm } from "./forms.js";
import { baseOf, fleet, get, isPlant, listen, may, post } from "./net.js";
import { fullTime } from "./words.js";

const TAKES = {
  reload: "with the reload",
  restart: "after a restart of the service",
  "restart of the page": "after a restart of the page",
};
const LOOK_AGAIN_MS = 3_000; // the service looks for orders every second

// Of each instance whose service runs with the page's own configuration.
export function settingsView(view) {
  const style = el("link", { rel: "stylesheet", href: "static/settings.css" });
  const parts = fleet.instances.filter((one) => one.is_ours).map(settingsOf);
  const nodes = parts.flatMap((part) => part.nodes);
  show(view, style, el("div", { class: "bar" }, el("h1", {}, "Settings")), nodes);
  return () => {
    for (const part of parts) part.stop();
  };
}

function settingsOf({ instance, name }) {
  const title = isPlant() ? el("h2", {}, name) : null;
  const place = el("div", { class: "settings" });
  const order = el("div", { class: "reload" });
  let timer = null;

  async function load() {
    try {
      const tree = await get(`${baseOf(instance)}api/settings`);
      show(place, nodesOf(tree));
      if (!order.querySelector("form")) show(order, reloadButton(tree));
    } catch (error) {
      show(place, el("p", { class: "trouble" }, error.message));
    }
  }

  function reloadButton(tree) {
    if (!may("admin") || tree.wrong || !tree.changes.some(({ takes }) => takes === "reload"))
      return [];
    const close = () => show(order, button);
    const send = async (note) => {
      await post(`${baseOf(instance)}api/settings/reload`, note);
      show(order, el("p", { role: "status" }, "Asked for. The service does so within seconds."));
      timer = setTimeout(load, LOOK_AGAIN_MS);
    };
    const open = () => {
      show(order, noteForm("Reload", send, close));
      order.querySelector("input")?.focus();
    };
    const button = el("button", { type: "button", class: "primary", onclick: open }, "Reload…");
    return button;
  }

  load();
  const stop = listen((change) => {
    if (change.events?.some((event) => event.kind === "reload_asked")) load();
  });
  function leave() {
    clearTimeout(timer);
    stop();
  }
  return { nodes: [title, place, order], stop: leave };
}

function nodesOf(tree) {
  const since = tree.since_ms
    ? `The service runs with what it read ${fullTime(tree.since_ms)}.`
    : "No service has told yet which settings it runs with.";
  return [
    el("p", { class: "quiet" }, since),
    tree.refused && el("p", { class: "trouble" }, `The last reload was refused: ${tree.refused}`),
    tree.wrong && el("p", { class: "trouble" }, `The file cannot be used now: ${tree.wrong}`),
    tree.changes.length ? table(tree.changes) : nothing(tree),
  ].filter(Boolean);
}

function nothing(tree) {
  if (tree.wrong || !tree.since_ms) return null;
  return el("p", { class: "empty" }, "The file says what the service runs with.");
}

function table(changes) {
  const row = ({ key, running, wanted, takes }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("code", {}, key)),
      el("td", { class: "running" }, el("code", {}, running)),
      el("td", { class: "wanted" }, el("code", {}, wanted)),
      el("td", { class: "takes" }, TAKES[takes]),
    );
  const head = ["Key", "In use", "In the file", "Changes"].map((word) =>
    el("th", { scope: "col" }, word),
  );
  return el(
    "table",
    { class: "changes" },
    el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, changes.map(row)),
  );
}
