// One measuring point: its past, one window of it in full, and what people say of that window.

import {
  limitChoices,
  loadCharts,
  mapOption,
  palette,
  spectrumLimits,
  stepsOption,
  timelineOption,
} from "./charts.js";
import { show } from "./dom.js";
import { eventsView } from "./events.js";
import { ofKind } from "./evidence.js";
import { get, listen } from "./net.js";
import { layout } from "./parts.js";
import { trendLink } from "./trend_link.js";

const N_PAST = 300;
const MAX_PAST = 3000; // windows kept on the time line

export function pointView(view, sensor, what, id) {
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
  const look = {
    kind: null,
    channel: 0,
    blend: 0.6,
    equal: false,
    limit: null,
    spectrumLimits: null,
    model: null,
  };
  const parts = layout(sensor, state, look, {
    select,
    step,
    follow,
    earlier,
    redraw,
    compare,
    reloadLabels,
  });
  show(view, trendLink(sensor), parts.nodes);
  const charts = {};
  let echarts = null;

  function timelineAddress(n, before_row = null) {
    const query = new URLSearchParams({ sensor, n });
    if (before_row !== null) query.set("before_row", before_row);
    return `api/timeline?${query}`;
  }

  const sentence = (error) => {
    parts.head.message.textContent = error.message;
    parts.head.message.hidden = false;
  };

  async function start() {
    echarts = await loadCharts();
    if (state.left) return;
    let row_id = what === "row" ? Number(id) : null;
    if (what === "event") row_id = (await get(`api/events/${Number(id)}/row`)).row;
    state.rows = await get(timelineAddress(N_PAST, row_id));
    if (row_id !== null) await addNewest(row_id);
    row_id ??= state.rows.at(-1)?.row;
    if (row_id === undefined) throw new Error("This point has no verdict in the journal yet.");
    await select(row_id);
  }

  // before_row excludes the row itself
  async function addNewest(row_id) {
    const row = await get(`api/rows/${row_id}`);
    state.rows.push(row.summary);
  }

  async function select(row_id) {
    state.turn += 1; // whoever asks later wins, whatever answer comes first
    const { turn } = state;
    state.busy = true;
    try {
      const row = await get(`api/rows/${row_id}`);
      const wave = row.has_kept_window
        ? await get(`api/rows/${row_id}/waveform`).catch(() => null)
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
    const found = (await get(`api/rows/${row.row}/last-ok`)).row;
    return found === null ? null : get(`api/rows/${found}`);
  }

  async function compare() {
    if (state.compared) state.compared = null;
    else if (state.row) {
      state.compared = await lastOk(state.row).catch((error) => {
        sentence(error);
        return null;
      });
      if (!state.compared)
        sentence(new Error("There is no earlier OK window of this model to compare with."));
    }
    draw();
  }

  async function reloadLabels() {
    const row = await get(`api/rows/${state.row.row}`);
    state.row.labels = row.labels;
    parts.labels.write(row);
  }

  function step(by) {
    const index = state.rows.findIndex((row) => row.row === state.row?.row) + by;
    if (index < 0) return earlier();
    if (index >= state.rows.length) return follow(true);
    follow(false);
    return select(state.rows[index].row);
  }

  function follow(on) {
    state.following = on;
    parts.time.live.setAttribute("aria-pressed", String(on));
    if (on) catchUp();
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
      parts.head.writeAlarm();
    if (!change.sensors?.includes(sensor) || !state.following || state.busy || !echarts) return;
    state.busy = true;
    try {
      await takeNew();
    } finally {
      state.busy = false;
    }
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

  function chart(name, element) {
    if (charts[name] && charts[name].getDom() === element) return charts[name];
    charts[name] = echarts.init(element, null, { renderer: "canvas" });
    if (name === "timeline")
      charts[name].getZr().on("click", (event) => {
        const [at_ms] = charts.timeline.convertFromPixel({ gridIndex: 0 }, [
          event.offsetX,
          event.offsetY,
        ]);
        const distance = (row) => Math.abs((row.start_ms + row.end_ms) / 2 - at_ms);
        const hit = state.rows.reduce((best, row) => (distance(row) < distance(best) ? row : best));
        follow(false);
        select(hit.row);
      });
    return charts[name];
  }

  function adapt(row) {
    const maps = row.maps;
    const evidence = ofKind(row, look.kind) ?? row.evidence[0];
    look.kind = evidence?.kind ?? null;
    look.channel = Math.min(look.channel, (maps.spectrum_db?.length ?? 1) - 1);
    const model = `${row.model_id} ${look.kind} ${look.channel}`;
    if (look.model !== model)
      Object.assign(look, {
        model,
        limit: evidence?.full_colour ?? 1,
        limits: limitChoices(evidence?.full_colour ?? 1),
        spectrumLimits: maps.spectrum_db
          ? spectrumLimits(maps.spectrum_db[look.channel])
          : [-100, 0],
      });
  }

  function draw() {
    const row = state.row;
    if (!row || state.left) return;
    parts.write(row, state.compared);
    const colours = palette();
    chart("timeline", parts.time.chart).setOption(
      timelineOption(echarts, state.rows, row.row, colours),
      true,
    );
    parts.evidence.panels.hidden = !row.maps;
    if (!row.maps) return;
    adapt(row);
    const evidence = ofKind(row, look.kind);
    parts.evidence.write(row, colours);
    parts.evidence.map.classList.toggle("with-wave", Boolean(state.wave));
    const map = chart("map", parts.evidence.map);
    map.resize();
    map.setOption(mapOption(echarts, row, look, colours, state.wave), true);
    if (evidence) {
      const sum = chart("steps", parts.evidence.steps);
      sum.resize();
      const comparable = state.compared?.maps?.f_edges_hz.length === row.maps.f_edges_hz.length;
      sum.setOption(stepsOption(row, evidence, colours, comparable ? state.compared : null), true);
    }
    if (state.compared?.maps) {
      const other = chart("otherMap", parts.evidence.other);
      other.resize();
      other.setOption(mapOption(echarts, state.compared, look, colours, null), true);
    }
  }

  function redraw(changed) {
    if (changed) look.model = null;
    draw();
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
      Promise.resolve(work()).catch(sentence);
    }
  }

  function resize() {
    for (const one of Object.values(charts)) one?.resize();
  }
  const theme = matchMedia("(prefers-color-scheme: dark)");
  addEventListener("resize", resize);
  addEventListener("keydown", onKey);
  theme.addEventListener("change", draw);
  const stop = listen((change) => onChange(change).catch(sentence));
  const stopEvents = eventsView(parts.events, sensor);
  parts.head.writeAlarm();
  start().catch(sentence);
  return () => {
    state.left = true;
    stop();
    stopEvents();
    removeEventListener("resize", resize);
    removeEventListener("keydown", onKey);
    theme.removeEventListener("change", draw);
    for (const one of Object.values(charts)) one?.dispose();
  };
}
