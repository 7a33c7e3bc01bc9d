// One measuring point: its past, one window of it in full, and what people say of that window.

import { loadCharts, palette, timelineOption } from "./charts.js";
import { show } from "./dom.js";
import { eventsView } from "./events.js";
import { exporting } from "./export.js";
import { baseOf, get, instanceOf, isPlant, listen } from "./net.js";
import { layout } from "./parts.js";
import { showPromise } from "./promise.js";
import { tabsOf } from "./tabs.js";
import { trendLink } from "./trend_link.js";

const N_PAST = 300;
const MAX_PAST = 3000; // windows kept on the time line

// tab: the id of the one to open; "" is the first. at: the instance whose windows are shown; null: the one that has the newest.
export function pointView(view, sensor, { what, id, tab, at }) {
  const instance = at ?? instanceOf(sensor);
  const base = baseOf(instance);
  const state = {
    following: what !== "row" && what !== "event",
    rows: [],
    row: null,
    compared: null,
    wave: null,
    turn: 0,
    busy: false,
    left: false,
  };
  const point = {
    sensor,
    instance,
    base,
    select,
    say: (error) => sentence(error),
    get row() {
      return state.row;
    },
    get rows() {
      return state.rows;
    },
    get compared() {
      return state.compared; // the last OK window, where somebody asked for it
    },
    get wave() {
      return state.wave; // its samples, where they were kept
    },
  };
  let openTab = tab;
  const tabs = tabsOf(point, tab, (now) => {
    openTab = now;
    writeLink();
  });
  const parts = layout({ sensor, instance }, state, tabs.nodes, {
    step: said(step),
    follow: said(follow),
    earlier: said(earlier),
    compare: said(compare),
    reloadLabels,
  });
  parts.head.bar.append(trendLink(sensor), exporting(spanShown).node);
  show(view, parts.nodes);
  showPromise(parts.events, sensor, instance);
  let timeline = null;
  let echarts = null;

  // Of the time line.
  function spanShown() {
    const [first, last] = [state.rows[0], state.rows.at(-1)];
    return first ? { sensor, instance, from: first.end_ms, to: last.end_ms, tier_s: 0 } : null;
  }

  function timelineAddress(n, before_row = null) {
    const query = new URLSearchParams({ sensor, n });
    if (before_row !== null) query.set("before_row", before_row);
    return `${base}api/timeline?${query}`;
  }

  function sentence(error) {
    parts.head.message.textContent = error.message;
    parts.head.message.hidden = false;
  }

  // What a button does; what goes wrong is said at the top.
  function said(work) {
    return async (...values) => {
      try {
        await work(...values);
      } catch (error) {
        sentence(error);
      }
    };
  }

  async function start() {
    echarts = await loadCharts();
    if (state.left) return;
    // A link may outlive its window: then the newest is shown, and the reason said.
    const gone = state.following ? null : await showLinked().catch((error) => error);
    if (!state.following && !gone) return;
    mark(true);
    await catchUp();
    if (!state.rows.length) throw new Error("This point has no verdict in the journal yet.");
    if (gone) sentence(gone);
  }

  async function showLinked() {
    const row_id = what === "event" ? await rowOfEvent(Number(id)) : Number(id);
    const row = await get(`${base}api/rows/${row_id}`);
    state.rows = await get(timelineAddress(N_PAST, row_id));
    state.rows.push(row.summary); // before_row excludes the row itself
    await select(row_id);
  }

  const rowOfEvent = async (event_id) => (await get(`${base}api/events/${event_id}/row`)).row;

  async function select(row_id) {
    state.turn += 1; // whoever asks later wins, whatever answer comes first
    const { turn } = state;
    state.busy = true;
    try {
      const row = await get(`${base}api/rows/${row_id}`);
      const wave = row.has_kept_window
        ? await get(`${base}api/rows/${row_id}/waveform`).catch(() => null)
        : null;
      const compared = state.compared ? await lastOk(row) : null;
      if (state.left || turn !== state.turn) return;
      Object.assign(state, { row, wave, compared });
      parts.head.message.hidden = true;
      draw();
    } catch (error) {
      sentence(error);
    } finally {
      if (turn === state.turn) state.busy = false;
    }
  }

  async function lastOk(row) {
    const found = (await get(`${base}api/rows/${row.row}/last-ok`)).row;
    return found === null ? null : get(`${base}api/rows/${found}`);
  }

  async function compare() {
    if (state.compared) state.compared = null;
    else if (state.row) {
      const { turn } = state;
      const found = await lastOk(state.row);
      if (state.left || turn !== state.turn) return; // another window is shown by now
      state.compared = found;
      if (!found)
        sentence(new Error("There is no earlier OK window of this model to compare with."));
    }
    draw();
  }

  async function reloadLabels() {
    const shown = state.row;
    const row = await get(`${base}api/rows/${shown.row}`);
    shown.labels = row.labels;
    if (shown === state.row) parts.labels.write(row);
  }

  function step(by) {
    const index = state.rows.findIndex((row) => row.row === state.row?.row) + by;
    if (index < 0) return earlier();
    if (index >= state.rows.length) return follow(true);
    follow(false);
    return select(state.rows[index].row);
  }

  function mark(following) {
    state.following = following;
    parts.time.live.setAttribute("aria-pressed", String(following));
  }

  function follow(on) {
    mark(on);
    return on ? catchUp() : undefined;
  }

  async function catchUp() {
    state.rows = await get(timelineAddress(N_PAST));
    if (state.rows.length) await select(state.rows.at(-1).row);
  }

  async function earlier() {
    follow(false);
    const first = state.rows[0];
    if (!first) return;
    const older = await get(timelineAddress(N_PAST, first.row));
    if (!older.length)
      return sentence(new Error("The journal holds nothing earlier of this point."));
    state.rows = [...older, ...state.rows].slice(0, MAX_PAST);
    await select(older.at(-1).row);
  }

  // The newest windows as they come; one question at a time.
  async function onChange(change) {
    if (
      change.events?.some((event) => event.sensor === sensor) ||
      change.all ||
      change.sensors?.includes(sensor)
    )
      parts.head.write(state.rows);
    if (moved()) return movedOn();
    if (!change.sensors?.includes(sensor) || !state.following || state.busy || !echarts) return;
    state.busy = true;
    await takeNew().catch(sentence);
    state.busy = false;
  }

  // Another instance has its newest windows now: whoever follows them goes along.
  const moved = () => at === null && state.following && instanceOf(sensor) !== instance;

  function movedOn() {
    if (!state.left) dispatchEvent(new HashChangeEvent("hashchange"));
  }

  async function takeNew() {
    const newest = state.rows.at(-1);
    const fresh = await get(timelineAddress(30));
    const added = fresh.filter((row) => !newest || row.end_ms > newest.end_ms);
    const reaches = added.length < fresh.length; // back to what is known already
    state.rows = reaches
      ? [...state.rows, ...added].slice(-MAX_PAST)
      : await get(timelineAddress(N_PAST));
    if (added.length && !state.left) await select(state.rows.at(-1).row);
  }

  function timelineChart() {
    if (timeline) return timeline;
    timeline = echarts.init(parts.time.chart, null, { renderer: "canvas" });
    timeline.getZr().on("click", (event) => {
      const pixel = [event.offsetX, event.offsetY];
      const [at_ms] = timeline.convertFromPixel({ gridIndex: 0 }, pixel);
      const distance = (row) => Math.abs((row.start_ms + row.end_ms) / 2 - at_ms);
      const hit = state.rows.reduce((best, row) => (distance(row) < distance(best) ? row : best));
      follow(false);
      select(hit.row);
    });
    return timeline;
  }

  function draw() {
    const row = state.row;
    if (!row || state.left) return;
    parts.write(row, state.compared);
    timelineChart().setOption(timelineOption(echarts, state.rows, row.row, palette()), true);
    tabs.write();
    writeLink();
  }

  // A link to what is shown: to the newest window, or to this one. Nothing is loaded for it.
  function writeLink() {
    const here = `#/point/${encodeURIComponent(sensor)}`;
    // Somebody may be on the way elsewhere: the address changes before the page hears of it.
    if (!state.row || state.left || !location.hash.startsWith(here)) return;
    const place = state.following ? "" : `/row/${state.row.row}`;
    const query = new URLSearchParams();
    if (openTab) query.set("tab", openTab);
    // The newest windows may be another instance's tomorrow; a row is one instance's for ever.
    if (isPlant() && (place || at !== null)) query.set("at", instance);
    const words = String(query) ? `?${query}` : "";
    history.replaceState(null, "", `${here}${place}${words}`);
  }

  function onKey(event) {
    if (
      /INPUT|TEXTAREA|SELECT/.test(event.target.tagName) ||
      event.ctrlKey ||
      event.altKey ||
      event.metaKey
    )
      return;
    const work = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      l: () => follow(true),
      c: compare,
    }[event.key];
    if (work) {
      event.preventDefault();
      said(work)();
    }
  }

  function resize() {
    timeline?.resize();
    tabs.write();
  }
  const theme = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("resize", resize);
  addEventListener("keydown", onKey);
  theme.addEventListener("change", draw);
  const stop = listen(said(onChange));
  const stopEvents = eventsView(parts.events, sensor, instance);
  parts.head.write(state.rows);
  said(start)();
  return () => {
    state.left = true;
    stop();
    stopEvents();
    removeEventListener("resize", resize);
    removeEventListener("keydown", onKey);
    theme.removeEventListener("change", draw);
    tabs.close();
    timeline?.dispose();
  };
}
