// Which view is shown, and the line at the top that says whether what it shows is fresh.

import { deliveryView } from "./delivery.js";
import { el, show } from "./dom.js";
import { eventsView } from "./events.js";
import { fleetView } from "./fleet.js";
import { connect, fleet, listen, openSession, post, session } from "./net.js";
import { refusedView } from "./refused.js";
import { span } from "./words.js";

const STALE_S = 35; // the service reports every 10 s

const view = document.getElementById("view");
const trouble = document.getElementById("trouble");
const link = document.getElementById("link");

let leave = () => {};

async function route() {
  leave();
  const [, name = "", sensor = "", what = "", id = ""] = location.hash.split("/");
  for (const [item, on] of [
    ["fleet", name === ""],
    ["events", name === "events"],
    ["refused", name === "refused"],
    ["delivery", name === "delivery"],
  ]) {
    const anchor = document.getElementById(`nav-${item}`);
    if (on) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  if (name === "point") {
    const { pointView } = await import("./point.js");
    leave = pointView(view, decodeURIComponent(sensor), what, id);
  } else if (name === "trend") {
    const { trendView } = await import("./trend.js");
    leave = trendView(view, decodeURIComponent(sensor), what, id);
  } else if (name === "events") leave = eventsView(view);
  else if (name === "refused") leave = refusedView(view);
  else if (name === "delivery") leave = deliveryView(view);
  else leave = fleetView(view);
  window.scrollTo(0, 0);
}

function troubleText() {
  if (fleet.trouble) return fleet.trouble;
  if (!fleet.connected) return "No connection to the page's server: what you see is old.";
  const age_s = fleet.health?.age_s;
  if (age_s > STALE_S)
    return `The service last reported ${span(age_s * 1000)} ago: what you see may be old.`;
  if (fleet.health?.broker_connected === false && !fleet.health.broker_session_contested)
    return "The service has no connection to the MQTT broker.";
  if (fleet.health?.broker_session_contested)
    return "Another MQTT client uses the service's client id: each takes messages from the other.";
  return "";
}

function freshness() {
  const text = fleet.known ? troubleText() : "";
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = !text;
  const rate = fleet.health?.windows_per_s;
  const live = rate ? `live · ${rate.toFixed(1)} windows/s` : "live";
  link.textContent = fleet.connected ? live : "not connected";
  link.className = fleet.connected ? "quiet live" : "quiet";
}

document.getElementById("logout").addEventListener("click", async () => {
  await post("api/logout", {});
  location.assign("./");
});

try {
  await openSession();
  document.getElementById("instance").textContent = session.instance;
  document.getElementById("logout").hidden = !session.with_password;
  listen(freshness);
  connect();
  addEventListener("hashchange", route);
  await route();
} catch (error) {
  show(view, el("p", { class: "trouble" }, error.message));
}
