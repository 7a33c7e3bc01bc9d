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

export function linkOf(sensor, { from, to, quantity }) {
  const span = from === null ? "" : `${Math.round(from)}-${Math.round(to)}`;
  return `#/trend/${encodeURIComponent(sensor)}/${span}/${encodeURIComponent(quantity ?? "")}`;
}

// A link's last parts; what makes no sense is as if it were not there.
export function parseLink(spanText = "", quantityText = "") {
  const found = /^(\d{1,13})-(\d{1,13})$/.exec(spanText);
  const [from, to] = found ? [Number(found[1]), Number(found[2])] : [null, null];
  const isSpan = found !== null && to > from;
  return {
    from: isSpan ? from : null,
    to: isSpan ? to : null,
    quantity: decodeURIComponent(quantityText) || null,
  };
}
