// The answer at the top of a point's view: what, where, since when, how sure, what to do; and the
// buttons to do it. It tells of now, whichever window is shown below.

import { el, shape, show } from "./dom.js";
import { began } from "./fleet.js";
import { acknowledgeForm, muteForm, repairForm, unmuteForm } from "./forms.js";
import { fleet, isReadOnly, session } from "./net.js";
import {
  alarmWord,
  bandHolds,
  fullTime,
  meaning,
  mutedWords,
  plain,
  shortTime,
  span,
  statusWord,
} from "./words.js";

const N_FIRST = 3; // steps of an advice that are shown at once

// label: what the button of that name does.
export function answerParts(sensor, label) {
  const state = el("span", { class: "state" });
  const badge = el("span", { class: "alarm", hidden: true });
  const since = el("span", { class: "since" });
  const where = el("p", { class: "where" });
  const sure = el("p", { class: "sure quiet" });
  const muted = el("p", { class: "mute-note", hidden: true });
  const todo = el("div", { class: "todo", hidden: true });
  const actions = el("div", { class: "controls actions" });
  const form = el("div", { class: "form" });
  const what = el("p", { class: "what" }, state, badge, since);
  const panel = el(
    "section",
    { class: "panel now", "aria-label": "Now", hidden: true },
    el("div", {}, what, where, sure, muted, actions, form),
    todo,
  );
  let advised = null;

  function write(rows) {
    const now = fleet.sensors.get(sensor);
    panel.hidden = !now;
    if (!now) return;
    panel.className = `panel now ${now.status}`;
    writeWhat(now);
    where.textContent = whereWords(now);
    where.hidden = !where.textContent;
    sure.textContent = sureWords(now, rows);
    sure.hidden = !sure.textContent;
    muted.textContent = now.muted ? `${mutedWords(now)}. Alarms wait until then.` : "";
    muted.hidden = !now.muted;
    writeActions(now);
    writeTodo(now);
  }

  function writeWhat(now) {
    show(state, shape(now.status), el("strong", {}, statusWord(now.status)));
    state.className = `state ${now.status}`;
    state.title = meaning(now.status);
    badge.hidden = !alarmWord(now);
    badge.className = `alarm ${now.alarm}`;
    badge.textContent = alarmWord(now);
    since.textContent = sinceWords(now);
    since.title = fullTime(began(now).ms);
  }

  function writeActions(now) {
    if (form.firstChild) return; // somebody is writing
    actions.hidden = isReadOnly(now.instance);
    if (actions.hidden) return;
    const button = (text, work, more = {}) =>
      el("button", { type: "button", onclick: work, ...more }, text);
    const close = () => {
      show(form);
      writeActions(fleet.sensors.get(sensor));
    };
    const open = (made) => {
      show(form, made);
      const empty = [...form.querySelectorAll("input, textarea")].find(({ value }) => !value);
      empty?.focus({ preventScroll: true }); // a viewer gets a sentence in place of fields
    };
    const acknowledge = () => open(acknowledgeForm(now.instance, now.alarm_event, close, close));
    const primary = { class: "primary" };
    show(
      actions,
      now.alarm_event ? button("Acknowledge", acknowledge, primary) : null,
      now.muted
        ? button("End the mute", () => open(unmuteForm(sensor, close, close)))
        : button("Mute…", () => open(muteForm(sensor, close, close))),
      button("Label…", label),
      // Whoever repaired it has seen its alarm.
      now.alarm_event ? null : button("Repaired…", () => open(repairForm(sensor, close, close))),
    );
  }

  function writeTodo(now) {
    const advice = session.advice[now.advice];
    todo.hidden = !advice;
    if (!advice || advised === now.advice) return;
    advised = now.advice;
    show(todo, adviceNodes(advice));
  }
  return { panel, write };
}

export function adviceNodes({ title, check, do: steps, source }) {
  const all = [...check.map((text) => `Check: ${text}`), ...steps];
  const item = (text) => el("li", {}, text);
  const rest = all.slice(N_FIRST);
  const more = el(
    "details",
    {},
    el("summary", {}, `${rest.length} more`),
    el("ol", { start: N_FIRST + 1 }, rest.map(item)),
    source ? el("p", { class: "quiet" }, `Source: ${source}`) : null,
  );
  return [
    el("h2", {}, `What to do: ${title}`),
    el("ol", {}, all.slice(0, N_FIRST).map(item)),
    rest.length || source ? more : null,
  ];
}

function sinceWords(now) {
  const { ms, word } = began(now);
  const again = now.alarm_event && now.alarm_n > 1;
  const times = again ? `, raised ${now.alarm_n} times since ${shortTime(now.alarm_first_ms)}` : "";
  return `${word} ${shortTime(ms)}, ${span(Date.now() - ms)}${times}`;
}

// Of the newest window where it is NG; else of the alarm that stands or waits.
function whereWords(now) {
  if (now.status === "NG" && now.band) return `${bandHolds(now.band)} of the evidence for NG`;
  const waits = now.alarm === "raised" || now.alarm === "acknowledged" || now.alarm === "unseen";
  if (waits && now.alarm_text) return `At its alarm: ${now.alarm_text}`;
  return "";
}

function sureWords(now, rows) {
  const words = now.status === "NO_ANSWER" ? [`${statusWord(now.was)} when last heard`] : [];
  const chance = now.probability;
  if (chance !== null && chance !== undefined) words.push(`P(NG) ${plain(chance, 2)}`);
  if (now.ratio !== null && now.ratio !== undefined)
    words.push(`${now.ratio_of} ${plain(now.ratio, 1)} × its limit`);
  const judged = rows.filter(({ status }) => status === "OK" || status === "NG").slice(-60);
  const n_ng = judged.filter(({ status }) => status === "NG").length;
  if (judged.length) words.push(`NG in ${n_ng} of the last ${judged.length} windows`);
  if (now.alarm_seen && now.alarm === "acknowledged") words.push(now.alarm_seen);
  return words.join(" · ");
}
