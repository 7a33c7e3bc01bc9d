// The span that a trend shows, and the link that shows it again. No page is needed here.

export const MIN_MS = 60e3;
const MAX_MS = 60 * 365.25 * 86400e3;

// The middle stays where a span would be too short or too long; no span lies wholly outside of what is known.
export function clampSpan(from, to, known) {
  const width = Math.min(MAX_MS, Math.max(MIN_MS, to - from));
  let middle = (from + to) / 2;
  if (known)
    middle = Math.min(known.last_ms + width / 2, Math.max(known.first_ms - width / 2, middle));
  const begin = Math.max(0, middle - width / 2);
  return { from: begin, to: begin + width };
}

// Zoom by a factor so that what is at a time stays where it is.
export function zoomed({ from, to }, at, factor) {
  return [at - (at - from) * factor, at + (to - at) * factor];
}

const spanText = ({ from, to }) => (from === null ? "" : `${Math.round(from)}-${Math.round(to)}`);

export function linkOf(sensor, { from, to, quantity, isRelative, other }) {
  const parts = [encodeURIComponent(sensor), spanText({ from, to })];
  parts.push(encodeURIComponent(quantity ?? ""));
  const more = isRelative ? ["baseline"] : [];
  if (other) more.push(`${spanText(other)}@${other.sensor}`);
  if (more.length) parts.push(encodeURIComponent(more.join(",")));
  return `#/trend/${parts.join("/")}`;
}

// A link's last parts; what makes no sense is as if it were not there.
export function parseLink(text = "", quantityText = "", moreText = "") {
  const more = decodeURIComponent(moreText);
  return {
    ...parseSpan(text),
    quantity: decodeURIComponent(quantityText) || null,
    isRelative: /^baseline(,|$)/.test(more),
    other: parseOther(more.replace(/^baseline,?/, "")),
  };
}

function parseSpan(text) {
  const found = /^(\d{1,13})-(\d{1,13})$/.exec(text);
  const [from, to] = found ? [Number(found[1]), Number(found[2])] : [null, null];
  return found !== null && to > from ? { from, to } : { from: null, to: null };
}

// What stands side by side: "from-to@point".
function parseOther(text) {
  const at = text.indexOf("@");
  if (at < 0 || at === text.length - 1) return null;
  return { sensor: text.slice(at + 1), ...parseSpan(text.slice(0, at)) };
}
