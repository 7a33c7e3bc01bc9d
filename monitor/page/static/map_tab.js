// The map of one window, what adds up to its verdict, and the last OK window beside it.

import {
  fitLimit,
  limitChoices,
  loadCharts,
  mapOption,
  palette,
  spectrumLimits,
  stepsOption,
  withoutOption,
} from "./charts.js";
import { show } from "./dom.js";
import { evidenceParts, fallLimit, ofKind } from "./evidence.js";

export async function tab(place, point) {
  const look = {
    kind: null,
    channel: 0,
    blend: 0.6,
    scale: "log",
    chosen: "fit", // full colour: "fit" the window, or a number
    limit: null,
    spectrumLimits: null,
    model: null,
  };
  const parts = evidenceParts(look, { redraw });
  const charts = new Map();
  const echarts = await loadCharts();
  show(place, parts.panels);

  function chart(element) {
    if (!charts.has(element))
      charts.set(element, echarts.init(element, null, { renderer: "canvas" }));
    const found = charts.get(element);
    found.resize();
    return found;
  }

  function adapt(row) {
    const maps = row.maps;
    const evidence = ofKind(row, look.kind) ?? row.evidence[0];
    look.kind = evidence?.kind ?? null;
    look.channel = Math.min(look.channel, (maps.spectrum_db?.length ?? 1) - 1);
    const model = `${row.model_id} ${look.kind} ${look.channel}`;
    look.fitted = fitLimit(evidence);
    if (look.model !== model)
      Object.assign(look, {
        model,
        chosen: "fit",
        limits: limitChoices(evidence?.full_colour ?? 1),
        spectrumLimits: maps.spectrum_db
          ? spectrumLimits(maps.spectrum_db[look.channel])
          : [-100, 0],
      });
    look.limit = look.chosen === "fit" ? look.fitted : Number(look.chosen);
  }

  function write() {
    const { row, compared, wave } = point;
    parts.panels.hidden = !row.maps;
    parts.writeCompared(compared);
    if (!row.maps) return;
    adapt(row);
    const colours = palette();
    const evidence = ofKind(row, look.kind);
    parts.write(row, colours);
    parts.map.classList.toggle("with-wave", Boolean(wave));
    chart(parts.map).setOption(mapOption(echarts, row, look, colours, wave), true);
    if (evidence) {
      const comparable = compared?.maps?.f_edges_hz.length === row.maps.f_edges_hz.length;
      const other = comparable ? compared : null;
      chart(parts.steps).setOption(stepsOption(row, evidence, colours, other), true);
    }
    if (row.occlusion) {
      const limit = fallLimit(row.occlusion, look);
      const option = withoutOption(echarts, row.occlusion, look, limit, colours);
      chart(parts.without).setOption(option, true);
    }
    if (compared?.maps)
      chart(parts.other).setOption(mapOption(echarts, compared, look, colours, null), true);
  }

  function redraw(changed) {
    if (changed) look.model = null;
    write();
  }

  function close() {
    for (const one of charts.values()) one.dispose();
  }
  return { write, close };
}
