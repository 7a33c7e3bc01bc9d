// The parts of a point's view, and how each is filled. No requests, no charts: point.js does both.

import { evidenceColour, steps } from "/static/charts.js";
import { el, shape, show } from "/static/dom.js";
import { labelForm } from "/static/forms.js";
import { fleet } from "/static/net.js";
import { bandWords, fullTime, machineOf, meaning, percent, plain, pointOf, signed, statusWord } from "/static/words.js";

export function layout(sensor, state, look, act) {
  const button = (text, work, more = {}) => el("button", { type: "button", onclick: work, ...more }, text);
  const title = el("h1", {}, el("b", {}, machineOf(sensor)), ` ${pointOf(sensor)}`);
  const alarm = el("span", { class: "alarm", hidden: true });
  const message = el("p", { class: "trouble", role: "alert", hidden: true });
  const live = button("Live", () => act.follow(true), {
    "aria-pressed": String(state.following),
    title: "Follow the newest window (key L)",
  });
  const compareButton = button("Compare with last OK", act.compare, { "aria-pressed": "false", title: "Key C" });
  const timeline = el("div", { class: "chart timeline", role: "img", "aria-label": "Verdicts over time" });
  const map = el("div", { class: "chart map", role: "img" });
  const otherMap = el("div", { class: "chart map", role: "img", "aria-label": "Map of the last OK window" });
  const stepsChart = el("div", { class: "chart steps", role: "img", "aria-label": "What each band adds" });
  const state_ = el("span", { class: "state" });
  const facts = el("p", { class: "facts" });
  const sum = el("p", { class: "sum", id: "sum" });
  const table = el("tbody");
  const strongest = el("p", { class: "strongest" });
  const labels = el("ul", { class: "labels" });
  const controls = el("div", { class: "controls" });
  const scale = el("div", { class: "scale" });
  const otherTitle = el("h2", {});
  const details = el("dl", { class: "details" });

  const blend = el("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 100 * look.blend,
    oninput: () => {
      look.blend = blend.value / 100;
      act.redraw(false);
    },
  });
  const kind = el("select", {
    onchange: () => {
      look.kind = kind.value;
      act.redraw(true);
    },
  });
  const channel = el("select", {
    onchange: () => {
      look.channel = Number(channel.value);
      act.redraw(true);
    },
  });
  const equal = el("input", {
    type: "checkbox",
    onchange: () => {
      look.equal = equal.checked;
      act.redraw(false);
    },
  });
  const limit = el("select", {
    onchange: () => {
      look.limit = Number(limit.value);
      act.redraw(false);
    },
  });
  const kindLabel = el("label", {}, "Evidence of ", kind);
  const channelLabel = el("label", {}, "Channel ", channel);
  show(
    controls,
    el("label", { class: "blend" }, "Spectrum", blend, "Map"),
    kindLabel,
    channelLabel,
    el("label", {}, equal, " equal bands"),
    el("label", {}, "Full colour at", limit),
  );

  const stepsPanel = el(
    "section",
    { class: "panel", "aria-label": "Sum of evidence" },
    el("h2", {}, "What adds up to the verdict"),
    stepsChart,
    sum,
    el(
      "details",
      {},
      el("summary", {}, "Numbers by band"),
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", {}, "band"), el("th", {}, "adds"), el("th", {}, "sum so far"))),
        table,
      ),
    ),
  );
  const otherPanel = el("section", { class: "panel", hidden: true }, otherTitle, otherMap);
  const evidence = el(
    "div",
    { class: "two" },
    el(
      "section",
      { class: "panel", "aria-label": "Evidence map" },
      el("h2", {}, "Where the evidence lies"),
      controls,
      map,
      scale,
      strongest,
    ),
    stepsPanel,
    otherPanel,
  );
  const labelPanel = el(
    "section",
    { class: "panel" },
    el("h2", {}, "Is the verdict right?"),
    labelForm(() => state.row?.row, act.reloadLabels),
    labels,
  );
  const events = el("section", { class: "panel" });
  const nodes = [
    el("div", { class: "bar" }, el("a", { href: "#/", class: "back" }, "‹ Fleet"), title, state_, alarm),
    message,
    el(
      "section",
      { class: "panel", "aria-label": "Time line" },
      el(
        "div",
        { class: "controls" },
        button("‹ window", () => act.step(-1), { title: "Left arrow" }),
        button("window ›", () => act.step(1), { title: "Right arrow" }),
        button("Earlier", act.earlier),
        live,
        compareButton,
        facts,
      ),
      timeline,
    ),
    evidence,
    el("div", { class: "two" }, labelPanel, el("section", { class: "panel" }, el("h2", {}, "Details"), details)),
    events,
  ];

  function write(row, compared) {
    show(state_, shape(row.status), el("strong", {}, statusWord(row.status)));
    state_.className = `state ${row.status}`;
    state_.title = meaning(row.status);
    document.title = `${row.status} ${sensor} · Camshaft`;
    const chance = row.probability === null ? [] : [`P(NG) ${plain(row.probability, 3)}`];
    const why = row.reason ? [row.reason.replaceAll("_", " ")] : [];
    facts.textContent = [fullTime(row.end_ms), ...chance, ...why].join(" · ");
    compareButton.setAttribute("aria-pressed", String(Boolean(compared)));
    if (compared) otherTitle.textContent = `Last OK window, ${fullTime(compared.end_ms)}`;
    writeLabels(row);
    writeDetails(row);
  }

  function writeLabels(row) {
    show(
      labels,
      row.labels.map((label) =>
        el(
          "li",
          {},
          el("b", {}, label.word),
          label.failure_mode ? ` (${label.failure_mode})` : "",
          label.author ? ` by ${label.author}` : "",
          ` · ${fullTime(label.at_ms)}`,
          label.comment ? el("q", {}, label.comment) : null,
        ),
      ),
    );
  }

  function writeDetails(row) {
    const pairs = [
      ["Row", row.row],
      ["Model", row.model_id || "none: novelty alone judges"],
      ["Window", `${fullTime(row.start_ms)}, ${plain((row.end_ms - row.start_ms) / 1000, 3)} s`],
      ["Logit", plain(row.logit, 4)],
      ["Threshold", plain(row.threshold, 4)],
      ["Residual of the map", row.residual === null ? "–" : row.residual.toExponential(1)],
      ["Novelty", row.novelty === null ? "–" : `${plain(row.novelty, 3)} (limit ${plain(row.novelty_threshold, 3)})`],
      ["Running", { true: "yes", false: "no" }[row.running] ?? "not known"],
      ["Continuity", row.continuity],
      ["Raw samples", row.has_evidence ? "kept" : "not kept"],
      ...Object.entries(row.quality).map(([name, value]) => [
        name.replace("_ms2", " (m/s²)").replaceAll("_", " "),
        plain(value, 4),
      ]),
    ];
    show(
      details,
      pairs.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]),
    );
  }

  function writeAlarm() {
    const found = fleet.sensors.get(sensor)?.alarm ?? "clear";
    alarm.hidden = found === "clear";
    alarm.className = `alarm ${found}`;
    alarm.textContent = found === "raised" ? "ALARM" : "alarm seen";
  }

  function writeControls(row, looks, colours) {
    const kinds = [
      ["contribution", "network"],
      ["novelty", "novelty"],
    ].filter(([name]) => row.maps[name]);
    kindLabel.hidden = kinds.length < 2;
    show(
      kind,
      kinds.map(([name, word]) => el("option", { value: name, selected: name === looks.kind }, word)),
    );
    const n = row.maps.spectrum_db?.length ?? 0;
    channelLabel.hidden = n < 2;
    if (channel.options.length !== n)
      show(
        channel,
        Array.from({ length: n }, (_, index) => el("option", { value: index }, index + 1)),
      );
    channel.value = looks.channel;
    show(
      limit,
      looks.limits.map((value) =>
        el("option", { value, selected: value === looks.limit }, `${looks.kind === "novelty" ? "" : "±"}${value}`),
      ),
    );
    map.setAttribute("aria-label", `Spectrogram with the map of evidence: ${strongest.textContent}`);
    const shares = looks.kind === "novelty" ? [0, 0.25, 0.5, 0.75, 1] : [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1];
    const [left, right] =
      looks.kind === "novelty" ? ["0", `novel ${looks.limit}`] : [`for OK −${looks.limit}`, `for NG +${looks.limit}`];
    const swatches = el("span", { class: "swatches" });
    for (const share of shares) {
      const swatch = el("i");
      swatch.style.backgroundColor = evidenceColour(colours, share, 1);
      swatches.append(swatch);
    }
    show(
      scale,
      left,
      swatches,
      right,
      el(
        "span",
        { class: "quiet" },
        ` a cell, the same for every window · spectrum ${looks.spectrumLimits[0]} to ${looks.spectrumLimits[1]} dB`.replaceAll(
          "-",
          "−",
        ),
      ),
    );
    writeStrongest(row, looks);
  }

  function writeStrongest(row, looks) {
    const cells = row.maps[looks.kind]?.cells;
    if (!cells) {
      strongest.textContent = "No map: there is neither a model nor a commissioned baseline for this window.";
      return;
    }
    let best = [0, 0];
    cells.forEach((line, f) =>
      line.forEach((value, t) => {
        if (value > cells[best[0]][best[1]]) best = [f, t];
      }),
    );
    const [f, t] = best;
    const maps = row.maps;
    const band = row.band
      ? `Strongest band ${bandWords(row.band[0], row.band[1])} with ${percent(row.band[2])} of the evidence for NG. `
      : "";
    strongest.textContent =
      cells[f][t] <= 0
        ? "Nothing here speaks for NG."
        : `${band}Strongest cell ${bandWords(maps.f_edges_hz[f], maps.f_edges_hz[f + 1])}, ${maps.t_edges_s[t].toFixed(2)} to ${maps.t_edges_s[t + 1].toFixed(2)} s: ${signed(cells[f][t], 3)}.`;
  }

  function writeSum(row, looks) {
    const { found, reached, limit } = steps(row, looks.kind);
    const total = found.at(-1).value;
    const bands = found
      .filter((step) => !step.isSum && step.name !== "bias")
      .reduce((value, step) => value + step.value, 0);
    sum.dataset.reached = reached;
    sum.dataset.total = total;
    const verdict =
      limit === null || limit === undefined
        ? ""
        : total > limit
          ? `, above its threshold ${plain(limit, 3)}`
          : `, not above its threshold ${plain(limit, 3)}`;
    sum.textContent =
      looks.kind === "novelty"
        ? `All bands ${plain(bands, 3)} = novelty ${plain(total, 3)}${verdict}.`
        : `bias ${signed(row.bias)} and all bands ${signed(bands)} = logit ${signed(total)}${verdict}.`;
    let so_far = 0;
    show(
      table,
      found
        .filter((step) => !step.isSum)
        .map((step) => {
          so_far += step.value;
          return el(
            "tr",
            {},
            el("td", {}, step.name),
            el("td", {}, signed(step.value, 4)),
            el("td", {}, signed(so_far, 4)),
          );
        }),
      el("tr", { class: "total" }, el("td", {}, found.at(-1).name), el("td", {}), el("td", {}, signed(total, 4))),
    );
  }

  return {
    nodes,
    message,
    live,
    timeline,
    map,
    otherMap,
    steps: stepsChart,
    stepsPanel,
    otherPanel,
    evidence,
    events,
    write,
    writeLabels,
    writeAlarm,
    writeControls,
    writeSum,
  };
}
