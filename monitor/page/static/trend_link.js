// The way from a point's view to its trend, and the style that both need.

import { el } from "./dom.js";

export function trendLink(sensor) {
  needTrendStyle();
  const href = `#/trend/${encodeURIComponent(sensor)}`;
  return el("a", { class: "trend-link", href, title: "Minutes to years" }, "Trend");
}

export function needTrendStyle() {
  if (document.getElementById("trend-style")) return;
  const sheet = { id: "trend-style", rel: "stylesheet", href: "static/trend.css" };
  document.head.append(el("link", sheet));
}
