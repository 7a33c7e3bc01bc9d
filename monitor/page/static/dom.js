// Elements from plain values. Text is set as text, never as HTML: names and comments come from strangers.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

export function show(element, ...children) {
  element.replaceChildren(
    ...children.flat(2).filter((child) => child !== null && child !== undefined),
  );
}

// Options are made anew only where they change: a list that somebody has just opened must not close.
export function choose(select, choices, chosen) {
  const same =
    choices.length === select.options.length &&
    choices.every(
      ([value, word], i) =>
        select.options[i].value === String(value) && select.options[i].text === String(word),
    );
  if (!same)
    show(
      select,
      choices.map(([value, word]) => el("option", { value }, word)),
    );
  select.value = chosen;
}

const SVG = "http://www.w3.org/2000/svg";

// A status as a shape, so that colour is not the only sign.
const SHAPES = {
  OK: "M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm-1.6 14.6l-4.3-4.3 1.8-1.8 2.5 2.5 5.7-5.7 1.8 1.8z",
  NG: "M12 1.5L23.5 22H.5zm-1.3 7v7h2.6v-7zm0 8.6v2.5h2.6v-2.5z",
  BAD_DATA: "M12 1l11 11-11 11L1 12zm-1.3 5.5v7h2.6v-7zm0 8.6v2.5h2.6v-2.5z",
  IDLE: "M3 3h18v18H3zm4.5 4.5v9h3v-9zm6 0v9h3v-9z",
  LEARNING:
    "M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm0 2.6a7.4 7.4 0 1 1 0 14.8a7.4 7.4 0 0 1 0-14.8zm-1.2 2.9v5.3l4.2 2.5 1.2-2-3-1.8v-4z",
  NO_ANSWER:
    "M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20zm0 2.600a7.400 7.400 0 0 1 4.500 1.500L6.100 16.500A7.400 7.400 0 0 1 12 4.600zm0 14.800a7.400 7.400 0 0 1-4.500-1.500L17.900 7.500A7.400 7.400 0 0 1 12 19.400z",
  NO_DATA:
    "M4.9 2.4L12 9.5l7.1-7.1 2.5 2.5L14.500 12l7.1 7.1-2.5 2.500L12 14.500l-7.1 7.1-2.500-2.500L9.500 12 2.400 4.900z",
};

export function shape(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[status] ?? SHAPES.NO_DATA);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
