// Drag, wheel, pinch and keys on a time axis.

import { zoomed } from "./trend_span.js";

const WHEEL = 1.0015; // zoom a pixel of the wheel
const CLICK_PX = 5; // less than that is no drag
const KEY_STEP = 0.2; // of the span

// state has from and to in ms. go(from, to), pick(ms), all(), atPixel(x in px) -> ms. Returns what stops it.
export function moves(node, state, { go, pick, all, atPixel }) {
  const pointers = new Map(); // id: x
  let pressed = null; // where a press began
  let pinch = null;

  const xOf = (event) => event.clientX - node.getBoundingClientRect().left - node.clientLeft;
  const timesPerPixel = () => atPixel(101) - atPixel(100);

  function down(event) {
    if (event.button > 0) return;
    pointers.set(event.pointerId, xOf(event));
    node.setPointerCapture(event.pointerId);
    pressed = {
      x: xOf(event),
      from: state.from,
      to: state.to,
      perPixel: timesPerPixel(),
      moved: false,
    };
    if (pointers.size === 2) pinch = pinchStart();
  }

  function pinchStart() {
    const [a, b] = [...pointers.values()];
    return {
      width: Math.max(10, Math.abs(b - a)),
      at: atPixel((a + b) / 2),
      from: state.from,
      to: state.to,
    };
  }

  function move(event) {
    if (!pointers.has(event.pointerId) || !pressed) return;
    pointers.set(event.pointerId, xOf(event));
    if (pinch && pointers.size === 2) {
      const [a, b] = [...pointers.values()];
      pressed.moved = true;
      go(...zoomed(pinch, pinch.at, pinch.width / Math.max(10, Math.abs(b - a))));
      return;
    }
    const by = xOf(event) - pressed.x;
    if (Math.abs(by) > CLICK_PX) pressed.moved = true;
    if (pressed.moved && !pinch)
      go(pressed.from - by * pressed.perPixel, pressed.to - by * pressed.perPixel);
  }

  function up(event) {
    const wasClick = pressed && !pressed.moved && pointers.size === 1 && event.type === "pointerup";
    pointers.delete(event.pointerId);
    if (wasClick) pick(atPixel(xOf(event)));
    if (!pointers.size) {
      pressed = null;
      pinch = null;
    }
  }

  function wheel(event) {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const by = (event.deltaX * (state.to - state.from)) / node.clientWidth;
    if (sideways) go(state.from + by, state.to + by);
    else go(...zoomed(state, atPixel(xOf(event)), WHEEL ** event.deltaY));
  }

  function key(event) {
    const width = state.to - state.from;
    const middle = state.from + width / 2;
    const step = { ArrowLeft: -KEY_STEP, ArrowRight: KEY_STEP, PageUp: -1, PageDown: 1 }[event.key];
    if (step) go(state.from + step * width, state.to + step * width);
    else if (event.key === "+" || event.key === "=") go(...zoomed(state, middle, 0.5));
    else if (event.key === "-") go(...zoomed(state, middle, 2));
    else if (event.key === "Home") all();
    else if (event.key === "Enter") pick(middle);
    else return;
    event.preventDefault();
  }

  const handlers = [
    ["pointerdown", down],
    ["pointermove", move],
    ["pointerup", up],
    ["pointercancel", up],
    ["wheel", wheel],
    ["keydown", key],
  ];
  for (const [name, work] of handlers) node.addEventListener(name, work, { passive: false });
  return () => {
    for (const [name, work] of handlers) node.removeEventListener(name, work);
  };
}
