// Charts of one window and of a sensor's past. Options for ECharts, which is loaded when the first chart is needed.

import { bandWords, clock, hz, plain, signed, UNDONE_WORDS } from "./words.js";

let loading = null;

export function loadCharts() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "static/echarts.min.js";
    script.onload = () => resolve(window.echarts);
    script.onerror = () => reject(new Error("The chart library could not be loaded."));
    document.head.append(script);
  });
  return loading;
}

// -- colours ----------------------------------------------------------------------------------------------------------

export function palette() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = [
    "text",
    "quiet",
    "line",
    "panel",
    "ng",
    "ok",
    "for-ng",
    "for-ok",
    "neutral",
    "accent",
    "spectrum-low",
    "spectrum-high",
    "state-OK",
    "state-NG",
    "state-BAD_DATA",
    "state-IDLE",
    "state-LEARNING",
    "state-NO_DATA",
  ];
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

const FONT = '"DejaVu Sans", "Segoe UI", system-ui, sans-serif';
const LABEL = { fontSize: 13 };

const channels = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
const clamp = (x) => Math.min(1, Math.max(0, x));

function mix(from, to, share) {
  const [a, b, t] = [channels(from), channels(to), clamp(share)];
  return `#${a
    .map((x, i) =>
      Math.round(x + t * (b[i] - x))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

// Signed evidence: from the neutral colour towards one of two, full at the limit.
export const evidenceColour = (colours, value, limit) =>
  mix(colours.neutral, value >= 0 ? colours["for-ng"] : colours["for-ok"], Math.abs(value) / limit);

// The map over the spectrum. A cell without evidence lets the spectrum through at any blend but the last.
function cellColour(colours, level, value, limit, blend) {
  const spectrum = mix(colours["spectrum-low"], colours["spectrum-high"], level);
  if (value === null) return spectrum;
  const strength =
    blend >= 1
      ? 1
      : clamp(2 * blend) * clamp(0.12 * blend + Math.sqrt(Math.min(1, Math.abs(value) / limit)));
  return mix(spectrum, evidenceColour(colours, value, limit), strength);
}

function roundUp(wanted) {
  const decade = 10 ** Math.floor(Math.log10(wanted));
  return Number(
    ([1, 2, 5, 10].find((step) => step * decade >= wanted * 0.999) * decade).toPrecision(2),
  );
}

// What else one may choose: finer for weak evidence, coarser for strong.
export const limitChoices = (limit) =>
  [0.1, 0.2, 0.5, 1, 2, 5, 10].map((factor) => roundUp(limit * factor));

export function spectrumLimits(spectrum) {
  const values = spectrum
    .flat()
    .filter((value) => value > -250)
    .sort((a, b) => a - b);
  if (!values.length) return [-100, 0];
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const low = 10 * Math.floor(at(0.05) / 10);
  return [low, Math.max(low + 20, 10 * Math.ceil(at(0.99) / 10))];
}

// -- the map ----------------------------------------------------------------------------------------------------------

// Where a frequency stands on the axis: by its logarithm, in Hz, or with every band equally high.
export function frequencyScale(edges, how) {
  if (how === "log") return logScale(edges);
  if (how === "linear")
    return {
      of: (index) => edges[index],
      top: edges.at(-1),
      bottom: edges[0],
      ticks: null,
      name: hz,
    };
  const every = Math.max(1, Math.round((edges.length - 1) / 8));
  const ticks = edges.map((_, index) => index).filter((index) => index % every === 0);
  return {
    of: (index) => index,
    top: edges.length - 1,
    bottom: 0,
    ticks,
    name: (index) => (edges[index] === undefined ? "" : hz(edges[index])),
  };
}

// A band that begins at 0 Hz begins one octave below its end.
function logScale(edges) {
  const low = edges[0] > 0 ? edges[0] : edges[1] / 2;
  return {
    of: (index) => Math.log10(Math.max(edges[index], low)),
    top: Math.log10(edges.at(-1)),
    bottom: Math.log10(low),
    ticks: logTicks(low, edges.at(-1)).map(Math.log10),
    name: (at) => hz(Number((10 ** at).toPrecision(3))),
  };
}

// 1, 2, 5 of each decade between two frequencies.
export function logTicks(low, high) {
  const found = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade += 1)
    for (const step of [1, 2, 5]) {
      const at = Number((step * 10 ** decade).toPrecision(2));
      if (at >= low && at <= high) found.push(at);
    }
  return found;
}

// Evidence drawn in full colour: the same for all windows of a model, but never so little that the
// strongest cell of this one goes beyond it.
export function fitLimit(evidence) {
  const usual = evidence?.full_colour ?? 1;
  const strongest = Math.max(0, ...(evidence?.cells ?? []).flat().map(Math.abs));
  return strongest > usual ? roundUp(strongest) : usual;
}

// What the colours beside a map mean, behind "a cell"; of the spectrum alone where there is no map.
export function scaleWords(evidence, look) {
  const [low, high] = look.spectrumLimits.map((level) => plain(level, 0));
  const spectrum = `spectrum ${low} to ${high} dB`;
  if (!evidence) return spectrum;
  const { full_colour } = evidence;
  if (look.chosen !== "fit") return `, as chosen · ${spectrum}`;
  if (look.limit === full_colour) return `, the same for every window · ${spectrum}`;
  return `, scaled by this window; ${full_colour} for others · ${spectrum}`;
}

function mapCells(maps, evidence, channel) {
  const cells = evidence?.cells ?? null;
  const spectrum = maps.spectrum_db?.[channel] ?? null;
  const found = [];
  for (let f = 0; f < maps.f_edges_hz.length - 1; f += 1)
    for (let t = 0; t < maps.t_edges_s.length - 1; t += 1)
      found.push({ f, t, value: cells ? cells[f][t] : null, db: spectrum ? spectrum[f][t] : null });
  return found;
}

export function mapOption(echarts, row, look, colours, wave) {
  const maps = row.maps;
  const evidence = row.evidence.find((one) => one.kind === look.kind);
  const cells = mapCells(maps, evidence, look.channel);
  const scale = frequencyScale(maps.f_edges_hz, look.scale);
  const [low, high] = look.spectrumLimits;
  const colourOf = (cell) =>
    cellColour(
      colours,
      cell.db === null ? 0 : (cell.db - low) / (high - low),
      cell.value,
      look.limit,
      look.blend,
    );
  const end_s = Math.max(maps.t_edges_s.at(-1), wave ? wave.n_samples / wave.sample_rate_hz : 0);
  const unit = evidence?.unit === "logit" ? " logit" : "";
  const says = evidence?.says ?? ((value) => `evidence ${signed(value, 4)}${unit}`);
  const axis = {
    nameTextStyle: { ...LABEL, color: colours.quiet },
    axisLabel: { ...LABEL, color: colours.quiet },
    axisLine: { lineStyle: { color: colours.line } },
    splitLine: { show: false },
  };
  const grids = wave
    ? [
        { left: 74, right: 14, top: 26, height: 76 },
        { left: 74, right: 14, top: 142, bottom: 44 },
      ]
    : [{ left: 74, right: 14, top: 26, bottom: 44 }];
  const m = grids.length - 1; // the map's grid
  const timeAxis = (index) => ({
    ...axis,
    type: "value",
    gridIndex: index,
    min: 0,
    max: end_s,
    ...(index === m
      ? { name: "time in s", nameLocation: "middle", nameGap: 26 }
      : { axisLabel: { show: false } }),
  });
  const series = [
    {
      type: "custom",
      xAxisIndex: m,
      yAxisIndex: m,
      clip: true,
      data: cells.map((cell) => [maps.t_edges_s[cell.t], scale.of(cell.f)]),
      renderItem: (params, api) =>
        rectangle(echarts, params, api, cells[params.dataIndex], maps, scale, colourOf),
      tooltip: { formatter: (item) => cellWords(cells[item.dataIndex], maps, says) },
    },
  ];
  if (wave) series.push(...waveSeries(wave, look.channel, colours));
  return {
    animation: false,
    textStyle: { color: colours.text, fontFamily: FONT },
    grid: grids,
    series,
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.line,
      textStyle: { color: colours.text },
    },
    xAxis: grids.map((_, index) => timeAxis(index)),
    yAxis: grids.map((_, index) =>
      index === m
        ? {
            ...axis,
            type: "value",
            gridIndex: m,
            min: scale.bottom,
            max: scale.top,
            name: look.scale === "log" ? "frequency (log)" : "frequency",
            axisLabel: {
              ...LABEL,
              color: colours.quiet,
              formatter: scale.name,
              hideOverlap: true,
              showMaxLabel: false,
              ...(scale.ticks ? { customValues: scale.ticks } : {}),
            },
            axisTick: scale.ticks ? { customValues: scale.ticks } : {},
          }
        : {
            ...axis,
            type: "value",
            gridIndex: 0,
            name: "acceleration in m/s²",
            nameTextStyle: { ...LABEL, color: colours.quiet, align: "left" },
            splitNumber: 2,
            scale: true,
          },
    ),
  };
}

// What the logit rests on, drawn as the map is.
export function withoutOption(echarts, occlusion, look, limit, colours) {
  const says = (value) =>
    `without it the logit ${value < 0 ? "rises" : "falls"} by ${Math.abs(value).toFixed(3)}`;
  const drawn = { kind: "occlusion", unit: "logit", cells: occlusion.cells, says };
  const row = { maps: occlusion.maps, evidence: [drawn] };
  return mapOption(echarts, row, { ...look, kind: drawn.kind, limit }, colours, null);
}

function rectangle(echarts, params, api, cell, maps, scale, colourOf) {
  const a = api.coord([maps.t_edges_s[cell.t], scale.of(cell.f)]);
  const b = api.coord([maps.t_edges_s[cell.t + 1], scale.of(cell.f + 1)]);
  const whole = { x: a[0], y: b[1], width: b[0] - a[0] + 0.6, height: a[1] - b[1] + 0.6 };
  const shape = echarts.graphic.clipRectByRect(whole, params.coordSys);
  return (
    shape && {
      type: "rect",
      shape,
      style: { fill: colourOf(cell) },
      emphasis: { style: { stroke: "#888", lineWidth: 1.5 } },
    }
  );
}

function cellWords(cell, maps, says) {
  const lines = [
    bandWords(maps.f_edges_hz[cell.f], maps.f_edges_hz[cell.f + 1]),
    `${maps.t_edges_s[cell.t].toFixed(3)} to ${maps.t_edges_s[cell.t + 1].toFixed(3)} s`,
  ];
  if (cell.value !== null) lines.push(says(cell.value));
  if (cell.db !== null) lines.push(`level ${plain(cell.db, 1)} dB`);
  return lines.join("\n");
}

function waveSeries(wave, channel, colours) {
  const points = [];
  wave.low[channel].forEach((low, index) => {
    const t = (index + 0.5) * wave.step_s;
    points.push([t, low], [t, wave.high[channel][index]]);
  });
  return [
    {
      type: "line",
      xAxisIndex: 0,
      yAxisIndex: 0,
      data: points,
      showSymbol: false,
      silent: true,
      sampling: "none",
      lineStyle: { width: 1, color: colours.accent },
    },
  ];
}

// -- what each band adds ----------------------------------------------------------------------------------------------

// The network's sum begins at its bias; a score without one begins at zero.
export const hasBias = (evidence) => evidence.unit === "logit" || evidence.bias !== 0;

// Bars that start where the one below ended: bias, bands from low to high, and the sum they reach. Parts: first and
// last band of each bar.
export function steps(row, evidence, parts = evidence.parts) {
  const edges = row.maps.f_edges_hz;
  const total = evidence.score;
  const found = [];
  let reached = 0;
  const add = (name, value) => {
    found.push({ name, value, from: reached, to: reached + value });
    reached += value;
  };
  if (hasBias(evidence)) add("bias", evidence.bias);
  for (const [first, last] of parts) {
    const value = evidence.bands.slice(first, last + 1).reduce((sum, band) => sum + band, 0);
    add(bandWords(edges[first], edges[last + 1]), value);
  }
  found.push({ name: evidence.unit, value: total, from: 0, to: total, isSum: true });
  return { found, reached, limit: evidence.threshold };
}

export function stepsOption(row, evidence, colours, compared) {
  const { found, limit } = steps(row, evidence);
  const same = compared?.evidence.find(
    (one) => one.kind === evidence.kind && one.bands.length === evidence.bands.length,
  );
  const others = same ? steps(compared, same, evidence.parts).found : null;
  const colourOf = (step) => {
    if (step.isSum) return colours.text;
    return step.value >= 0 ? colours["for-ng"] : colours["for-ok"];
  };
  const bar = (params, api) => {
    const step = found[params.dataIndex];
    const [from, to] = [
      api.coord([step.from, params.dataIndex]),
      api.coord([step.to, params.dataIndex]),
    ];
    const height = Math.max(3, api.size([0, 1])[1] * 0.68);
    const x = Math.min(from[0], to[0]);
    const children = [
      {
        type: "rect",
        shape: {
          x,
          y: from[1] - height / 2,
          width: Math.max(1.5, Math.abs(to[0] - from[0])),
          height,
        },
        style: { fill: colourOf(step) },
      },
    ];
    const above =
      params.dataIndex + 1 < found.length ? api.coord([step.to, params.dataIndex + 1]) : null;
    if (above)
      children.push({
        type: "line",
        shape: { x1: to[0], x2: to[0], y1: from[1], y2: above[1] },
        style: { stroke: colours.quiet, lineWidth: 1 },
      });
    return { type: "group", children };
  };
  const words = (item) => {
    const step = found[item.dataIndex];
    const was = others?.[item.dataIndex];
    return [
      step.name,
      step.isSum ? plain(step.value, 4) : signed(step.value, 4),
      ...(was ? [`last OK: ${signed(was.value, 4)}`] : []),
    ].join("\n");
  };
  const ends = [...found.flatMap((step) => [step.from, step.to]), limit ?? 0];
  const room = 0.06 * (Math.max(...ends) - Math.min(...ends) || 1);
  return {
    animation: false,
    textStyle: { color: colours.text, fontFamily: FONT },
    grid: { left: 122, right: 22, top: 26, bottom: 44 },
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.line,
      textStyle: { color: colours.text },
    },
    xAxis: {
      type: "value",
      min: Math.min(...ends) - room,
      max: Math.max(...ends) + room,
      name: evidence.unit === "logit" ? "logit" : `${evidence.unit} score`,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: { ...LABEL, color: colours.quiet },
      axisLabel: {
        ...LABEL,
        color: colours.quiet,
        formatter: (value) => plain(value, 1).replace(/\.0$/, ""),
        hideOverlap: true,
        showMinLabel: false,
        showMaxLabel: false,
      },
      splitLine: { lineStyle: { color: colours.line } },
    },
    yAxis: {
      type: "category",
      data: found.map((step) => step.name),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { ...LABEL, color: colours.text, interval: 0, hideOverlap: true },
    },
    series: [
      {
        type: "custom",
        data: found.map((step, index) => [step.to, index]),
        renderItem: bar,
        tooltip: { formatter: words },
        markLine:
          limit === null || limit === undefined
            ? undefined
            : {
                silent: true,
                symbol: "none",
                data: [{ xAxis: limit }],
                lineStyle: { color: colours.text, type: "dashed", width: 1.5 },
                label: {
                  ...LABEL,
                  formatter: `threshold ${plain(limit, 2)}`,
                  color: colours.text,
                  position: "end",
                },
              },
      },
    ],
  };
}

// -- the past ---------------------------------------------------------------------------------------------------------

const CHANCE = { type: "value", bottom: 0, top: 1 };
const LEAST_RATIO = 0.01; // below it nothing is told apart: a triangle marks it

// Holds every ratio and the limit, which is 1.
export function ratioScale(ratios) {
  const positive = ratios.filter((one) => one > 0);
  const decade = (of, value) => 10 ** of(Math.log10(value));
  const bottom = Math.max(LEAST_RATIO, decade(Math.floor, Math.min(0.5, ...positive)));
  return { type: "log", bottom, top: decade(Math.ceil, Math.max(2, ...positive)) };
}

export function timelineOption(echarts, rows, selected, colours) {
  const byNetwork = rows.some((row) => row.probability !== null);
  const name = rows.find((row) => row.ratio_of)?.ratio_of ?? "novelty";
  const value = (row) => (byNetwork ? row.probability : row.ratio);
  const ratioLimit = (row) => (row.ratio === null ? null : 1);
  const limit = (row) => (byNetwork ? row.threshold : ratioLimit(row));
  const axis = {
    axisLine: { lineStyle: { color: colours.line } },
    axisLabel: { ...LABEL, color: colours.quiet, hideOverlap: true },
  };
  const chosen = rows.find((row) => row.row === selected);
  const strip = (params, api) => {
    const row = rows[params.dataIndex];
    const [a, b] = [api.coord([row.start_ms, 0]), api.coord([row.end_ms, 1])];
    const whole = { x: a[0], y: b[1], width: Math.max(1.5, b[0] - a[0]), height: a[1] - b[1] };
    const shape = echarts.graphic.clipRectByRect(whole, params.coordSys);
    return shape && { type: "rect", shape, style: { fill: colours[`state-${row.status}`] } };
  };
  const words = (item) => {
    const row = rows[item.dataIndex];
    const figure =
      value(row) === null
        ? row.reason.replaceAll("_", " ")
        : `${byNetwork ? "P(NG)" : name} ${plain(value(row), 3)}`;
    const undone = row.undone ? [UNDONE_WORDS] : [];
    return [`${clock(row.end_ms)}  ${row.status.replace("_", " ")}`, figure, ...undone].join("\n");
  };
  const figures = rows.map(value).filter((one) => one !== null);
  const scale = byNetwork ? CHANCE : ratioScale(figures);
  const below = figures.some((one) => one < scale.bottom) ? `, ▾ below ${scale.bottom}` : "";
  const clipped = (of) => (row) => (of(row) === null ? null : Math.max(of(row), scale.bottom));
  const line = (of, style, name) => ({
    type: "line",
    name,
    xAxisIndex: 0,
    yAxisIndex: 0,
    data: rows.map((row) => [row.end_ms, clipped(of)(row)]),
    showSymbol: rows.length < 2,
    connectNulls: false,
    lineStyle: style,
    itemStyle: { color: style.color },
    tooltip: { formatter: words },
  });
  return {
    animation: false,
    textStyle: { color: colours.text, fontFamily: FONT },
    grid: [
      { left: 52, right: 14, top: 28, bottom: 62 },
      { left: 52, right: 14, bottom: 34, height: 18 },
    ],
    tooltip: {
      trigger: "item",
      renderMode: "richText",
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.line,
      textStyle: { color: colours.text },
    },
    dataZoom: [
      { type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "ctrl", moveOnMouseMove: true },
    ],
    xAxis: [
      { ...axis, type: "time", gridIndex: 0, axisLabel: { show: false } },
      { ...axis, type: "time", gridIndex: 1, axisTick: { show: false } },
    ],
    yAxis: [
      {
        ...axis,
        type: scale.type,
        gridIndex: 0,
        min: scale.bottom,
        max: scale.top,
        splitNumber: 2,
        name: byNetwork
          ? "P(NG), threshold dashed"
          : `${name} ÷ its limit (log), limit dashed${below}`,
        nameTextStyle: { ...LABEL, color: colours.quiet, align: "left" },
        splitLine: { lineStyle: { color: colours.line } },
        axisLabel: { ...LABEL, color: colours.quiet, formatter: (at) => String(at) },
      },
      { type: "value", gridIndex: 1, min: 0, max: 1, show: false },
    ],
    series: [
      {
        ...line(value, { width: 2, color: colours.accent }, "value"),
        symbolSize: 6,
        markLine: chosen
          ? {
              silent: true,
              symbol: "none",
              label: { show: false },
              data: [{ xAxis: chosen.end_ms }],
              lineStyle: { color: colours.text, type: "solid", width: 1.5 },
            }
          : undefined,
      },
      {
        ...line(limit, { width: 1, type: "dashed", color: colours.quiet }, "threshold"),
        silent: true,
        symbol: "none",
      },
      {
        type: "scatter",
        name: "below the axis",
        data: rows
          .filter((row) => value(row) !== null && value(row) < scale.bottom)
          .map((row) => [row.end_ms, scale.bottom]),
        symbol: "triangle",
        symbolRotate: 180,
        symbolSize: 5,
        silent: true,
        itemStyle: { color: colours.quiet },
      },
      {
        type: "custom",
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: rows.map((row) => [row.start_ms, 0]),
        renderItem: strip,
        tooltip: { formatter: words },
      },
    ],
  };
}
