// What is promised of a point's alarm: one line above its events.

import { el } from "./dom.js";
import { baseOf, get } from "./net.js";

export async function showPromise(before, sensor, instance) {
  const query = new URLSearchParams({ sensor });
  const { text } = await get(`${baseOf(instance)}api/promise?${query}`).catch(() => ({ text: "" }));
  if (text) before.before(el("section", { class: "panel promise" }, el("p", {}, text)));
}
