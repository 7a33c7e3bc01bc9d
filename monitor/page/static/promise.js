// What is promised of a point's alarm: one line above its events.

import { el } from "./dom.js";
import { get } from "./net.js";

export async function showPromise(before, sensor) {
  const query = new URLSearchParams({ sensor });
  const { text } = await get(`api/promise?${query}`).catch(() => ({ text: "" }));
  if (text) before.before(el("section", { class: "panel promise" }, el("p", {}, text)));
}
