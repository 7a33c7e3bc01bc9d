// Which view is shown, and the line at the top that says whether what it shows is fresh.

import { deliveryView } from "./delivery.js";
import { el, show } from "./dom.js";
import { eventsView } from "./events.js";
import { fleetView } from "./fleet.js";
import { answered, connect, firstTold, fleet, listen, openSession, post, session } from "./net.js";
import { refusedView } from "./refused.js";
import { settingsView } from "./settings.js";
import { shortTime, span, ZONE } from "./words.js";

const STALE_S = 35; // the service reports every 10 s
const N_TOLD = 3; // instances with trouble

const view = document.getElementById("view");
const trouble = document.getElementById("trouble");
const link = document.getElementById("link");

let leave = () => {};
let turn = 0;

async function route() {
  try {
    await enter();
  } catch (error) {
    show(view, el("p", { class: "trouble" }, error.message));
  }
}

async function enter() {
  const mine = ++turn;
  leave();
  leave = () => {};
  const [path, query = ""] = location.hash.split("?");
  const [, name = "", sensor = "", what = "", id = "", more = ""] = path.split("/");
  const asked = new URLSearchParams(query);
  const tab = asked.get("tab") ?? "";
  for (const [item, on] of [
    ["fleet", name === ""],
    ["events", name === "events"],
    ["refused", name === "refused"],
    ["delivery", name === "delivery"],
    ["settings", name === "settings"],
  ]) {
    const anchor = document.getElementById(`nav-${item}`);
    if (on) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  if (name === "point") {
    const { pointView } = await answered(() => import("./point.js"));
    if (mine !== turn) return; // somebody went on meanwhile
    leave = pointView(view, decodeURIComponent(sensor), { what, id, tab, at: asked.get("at") });
  } else if (name === "trend") {
    const { trendView } = await answered(() => import("./trend.js"));
    if (mine !== turn) return;
    leave = trendView(view, decodeURIComponent(sensor), what, id, more);
  } else if (name === "events") leave = eventsView(view);
  else if (name === "refused") leave = refusedView(view);
  else if (name === "delivery") leave = deliveryView(view);
  else if (name === "settings") leave = settingsView(view);
  else leave = fleetView(view);
  window.scrollTo(0, 0);
  count();
}

function troubleText() {
  const { instances } = fleet;
  if (instances.length === 1 && instances[0].trouble) return instances[0].trouble;
  if (!fleet.connected) return "No connection to the page's server: what you see is old.";
  if (instances.length === 1) return instanceTrouble(instances[0]);
  const texts = instances
    .map((one) => [one.name, instanceTrouble(one)])
    .filter(([, text]) => text)
    .map(([name, text]) => `${name}: ${text}`);
  const rest = texts.length - N_TOLD;
  return [...texts.slice(0, N_TOLD), rest > 0 ? `And ${rest} more instances.` : ""]
    .join(" ")
    .trim();
}

// One whose points are all shown from elsewhere may well be silent: a partition has moved.
function instanceTrouble({ instance, trouble, health, silent }) {
  if (silent) return silentWords(silent);
  if (trouble) return trouble;
  const shown = [...fleet.sensors.values()].some((sensor) => sensor.instance === instance);
  if (!shown && fleet.instances.length > 1) return "";
  if (health?.age_s > STALE_S)
    return `The service last reported ${span(health.age_s * 1000)} ago: what you see may be old.`;
  if (health?.broker_connected === false && !health.broker_session_contested)
    return "The service has no connection to the MQTT broker.";
  if (health?.broker_session_contested)
    return "Another MQTT client uses the service's client id: each takes messages from the other.";
  return "";
}

function silentWords({ why, since_ms, n }) {
  if (!why && !since_ms) return ""; // it is being asked
  const reason = why ? ` (${why})` : "";
  if (!since_ms) return `no answer${reason}. Its points are not known yet.`;
  const points = n === 1 ? "Its point is" : `Its ${n} points are`;
  return `no answer since ${shortTime(since_ms)}${reason}. ${points} shown as NO ANSWER.`;
}

// How many alarms wait to be acknowledged, wherever one is.
function count() {
  const n = [...fleet.sensors.values()].filter((sensor) => sensor.alarm_event).length;
  const badge = document.getElementById("unseen");
  badge.hidden = n === 0;
  badge.textContent = n;
  badge.title = `${n} ${n === 1 ? "alarm waits" : "alarms wait"} to be acknowledged`;
  if (location.hash.startsWith("#/point")) return; // it has a title of its own
  document.title = n ? `(${n}) Camshaft` : "Camshaft";
}

function freshness() {
  count();
  const text = fleet.known ? troubleText() : "";
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = !text;
  link.textContent = linkText(text);
  link.className = fleet.connected && !text ? "quiet live" : "quiet";
}

// Nothing is green while the line above says that what is shown may be old.
function linkText(what_is_wrong) {
  if (!fleet.connected) return "not connected";
  if (what_is_wrong) return "not up to date";
  const rates = fleet.instances.map(({ health }) => health?.windows_per_s ?? 0);
  const rate = rates.reduce((sum, one) => sum + one, 0);
  return rate ? `live · ${rate.toFixed(1)} windows/s` : "live";
}

document.getElementById("logout").addEventListener("click", async () => {
  try {
    await post("api/logout", {});
    location.assign("./");
  } catch (error) {
    trouble.textContent = error.message;
    trouble.hidden = false;
  }
});

try {
  await openSession();
  document.getElementById("instance").textContent = session.instance;
  document.getElementById("zone").textContent = `Times: 24 hours, ${ZONE}`;
  document.getElementById("logout").hidden = !session.with_login;
  if (session.user) {
    document.getElementById("logout").textContent = `Log out ${session.user} (${session.role})`;
  }
  listen(freshness);
  connect();
  addEventListener("hashchange", route);
  await firstTold();
  await route();
} catch (error) {
  show(view, el("p", { class: "trouble" }, error.message));
}
