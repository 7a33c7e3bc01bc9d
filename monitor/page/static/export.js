// Taking a span of a point home: what there is of it, and a link to each file.

import { el, show } from "./dom.js";
import { baseOf, get, isReadOnly } from "./net.js";
import { needTrendStyle } from "./trend_link.js";

const TIERS = { 600: "ten_minutes", 3600: "hours", 86400: "days" };
const TIER_WORDS = { ten_minutes: "ten minutes", hours: "hours", days: "days" };

const titles = (tier) => ({
  verdicts: "Verdicts, CSV",
  trends: `Trends by ${TIER_WORDS[tier]}, CSV`,
  npz: "Verdicts and kept windows, NumPy (NPZ)",
  wav: "Kept windows, WAV in a ZIP",
});

// Whole milliseconds that hold the span; single windows are told in trends of ten minutes.
export function exportQuery({ sensor, from, to, tier_s }) {
  const tier = TIERS[tier_s] ?? TIERS[600];
  const span = { from_ms: Math.max(0, Math.floor(from)), to_ms: Math.max(0, Math.ceil(to)) };
  return new URLSearchParams({ sensor, ...span, tier });
}

// "120 windows", or why it cannot be had.
export const sizeWords = ({ n, rows, refused }) =>
  refused || `${n.toLocaleString("en")} ${n === 1 ? rows.replace(/(row|window)s/, "$1") : rows}`;

// place() gives sensor, its instance, from and to in ms, and tier_s of what is shown; null while nothing is.
export function exporting(place) {
  const list = el("ul", { class: "export-files" });
  const node = el("details", { class: "export", ontoggle: () => node.open && ask() });
  node.append(el("summary", { title: "The span shown, as a file" }, "Export…"), list);
  let turn = 0;
  needTrendStyle();

  async function ask() {
    turn += 1;
    const asked = turn;
    const shown = place();
    if (!shown) return tell("Nothing is shown yet.");
    if (isReadOnly(shown.instance))
      return tell(`Files are taken on the page of ${shown.instance}.`);
    const query = exportQuery(shown);
    const base = baseOf(shown.instance);
    try {
      const sizes = await get(`${base}api/export/sizes?${query}`);
      if (asked === turn) show(list, items(base, query, sizes));
    } catch (error) {
      if (asked === turn) tell(error.message);
    }
  }

  const tell = (text) => show(list, el("li", { role: "alert" }, text));

  // What is shown has changed.
  const again = () => node.open && ask();
  return { node, again };
}

function items(base, query, sizes) {
  return Object.entries(titles(query.get("tier"))).map(([form, title]) => {
    const size = sizes[form];
    const words = el("span", { class: "quiet" }, ` ${sizeWords(size)}`);
    if (size.refused) return el("li", {}, title, words);
    const href = `${base}api/export?${query}&as=${form}`;
    return el("li", {}, el("a", { href, download: "" }, title), words);
  });
}
