// Who says what: the fields for an author and a comment, and the form for a label.

import { el } from "./dom.js";
import { baseOf, baseOfPoint, may, post, session } from "./net.js";

const AUTHOR_KEY = "camshaft.author";
const HOUR_MS = 3_600_000;

function fields(commentWord = "Comment") {
  const author = el("input", {
    name: "author",
    maxLength: 80,
    autocomplete: "name",
    value: session.user || (localStorage.getItem(AUTHOR_KEY) ?? ""),
    readOnly: Boolean(session.user), // the server knows who it is, whatever stands here
  });
  const comment = el("textarea", { name: "comment", maxLength: 2000, rows: 2 });
  const read = () => {
    if (!session.user) localStorage.setItem(AUTHOR_KEY, author.value);
    return { author: author.value, comment: comment.value };
  };
  return {
    read,
    nodes: [
      el("label", {}, "Your name", author),
      el("label", { class: "wide" }, commentWord, comment),
    ],
  };
}

// In place of a form that the server would refuse.
function notAllowed(what, role) {
  return el("p", { class: "quiet" }, `${what} takes the role ${role}; yours is ${session.role}.`);
}

// send(note) returns a promise; what it throws is shown.
export function noteForm(title, send, cancel, commentWord) {
  if (!may("operator")) return notAllowed(title, "operator");
  const { read, nodes } = fields(commentWord);
  const answer = el("p", { class: "answer", role: "status" });
  return el(
    "form",
    {
      class: "note",
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          await send(read());
        } catch (error) {
          answer.textContent = error.message;
        }
      },
    },
    nodes,
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "submit", class: "primary" }, title),
      el("button", { type: "button", onclick: cancel }, "Cancel"),
    ),
    answer,
  );
}

// Where a name is all there is to say.
function nameForm(title, send, cancel) {
  const form = noteForm(title, send, cancel);
  form.querySelector(".wide")?.remove();
  return form;
}

// instance : whose event it is
export function acknowledgeForm(instance, event_id, done, cancel) {
  const send = async (note) => {
    await post(`${baseOf(instance)}api/acknowledgements`, { event_id, ...note });
    await done();
  };
  return noteForm("Acknowledge", send, cancel);
}

// The next moment of that hour on that day of the week (0 is Sunday; null: on any day).
export function nextAt(hour, day, now) {
  const at = new Date(now);
  at.setHours(hour, 0, 0, 0);
  while (at <= now || (day !== null && at.getDay() !== day)) {
    at.setDate(at.getDate() + 1);
    at.setHours(hour, 0, 0, 0);
  }
  return at;
}

const MUTE_ENDS = [
  ["For 1 hour", (now) => now.getTime() + HOUR_MS],
  ["For 8 hours", (now) => now.getTime() + 8 * HOUR_MS],
  ["Until 06:00", (now) => nextAt(6, null, now).getTime()],
  ["Until Monday 06:00", (now) => nextAt(6, 1, now).getTime()],
];

// Alarms of a point wait until the end; there is none without one. A reason and an end: two actions.
export function muteForm(sensor, done, cancel) {
  if (!may("operator")) return notAllowed("Mute", "operator");
  const { read, nodes } = fields("Reason");
  const answer = el("p", { class: "answer", role: "status" });
  const date = el("input", { type: "datetime-local", name: "date" });
  const send = async (until_ms) => {
    try {
      await post(`${baseOfPoint(sensor)}api/mutes`, { sensor, until_ms, ...read() });
      await done();
    } catch (error) {
      answer.textContent = error.message;
    }
  };
  const button = (word, end) =>
    el("button", { type: "button", onclick: () => send(end(new Date())) }, word);
  const given = () => (date.value ? new Date(date.value).getTime() : null);
  return el(
    "form",
    { class: "note", onsubmit: (event) => event.preventDefault() },
    nodes,
    el(
      "div",
      { class: "buttons", role: "group", "aria-label": "Mute" },
      MUTE_ENDS.map(([word, end]) => button(word, end)),
    ),
    el(
      "div",
      { class: "buttons end" },
      el("label", {}, "Another end", date),
      button("Until then", given),
      el("button", { type: "button", onclick: cancel }, "Cancel"),
    ),
    answer,
  );
}

// Whether it helped is told by an event, a hundred windows later.
export function repairForm(sensor, done, cancel) {
  const send = async (note) => {
    await post(`${baseOfPoint(sensor)}api/repairs`, { sensor, ...note });
    await done();
  };
  return noteForm("Note the repair", send, cancel, "What was done");
}

// The service answers with the next windows, in an event and on the tab.
export function diagnoseForm(sensor, done, cancel) {
  const send = async ({ author }) => {
    await post(`${baseOfPoint(sensor)}api/diagnoses`, { sensor, author });
    await done();
  };
  return nameForm("Diagnose now", send, cancel);
}

export function unmuteForm(sensor, done, cancel) {
  const send = async ({ author }) => {
    await post(`${baseOfPoint(sensor)}api/mutes/end`, { sensor, author });
    await done();
  };
  return nameForm("End the mute", send, cancel);
}

// A sensor's baseline, taken from its last windows or taken back. The guard is the server's.
export function commissionForm(sensor) {
  if (!may("admin")) return notAllowed("Commissioning", "admin");
  const { read, nodes } = fields();
  const windows = el("input", { name: "n_windows", type: "number", min: 1, max: 5000, value: 100 });
  const evenSo = el("input", { name: "even_so", type: "checkbox" });
  const reason = el(
    "label",
    { class: "even-so", hidden: true },
    evenSo,
    "The machine is healthy: commission even so, for the reason in the comment",
  );
  const answer = el("p", { class: "answer", role: "status" });

  async function send(address, more) {
    try {
      answer.textContent = "…";
      const tree = { sensor, ...read(), ...more };
      answer.textContent = (await post(`${baseOfPoint(sensor)}${address}`, tree)).text;
      reason.hidden = true;
      evenSo.checked = false;
    } catch (error) {
      answer.textContent = error.message;
      if (error.tree?.needs_reason) reason.hidden = false;
    }
  }
  const commission = () =>
    send("api/commissionings", { n_windows: Number(windows.value), even_so: evenSo.checked });
  const undo = () => send("api/commissionings/undo", {});
  return el(
    "form",
    {
      class: "note",
      id: "commission-form",
      onsubmit: (event) => {
        event.preventDefault();
        commission();
      },
    },
    el("label", {}, "Last running windows", windows),
    nodes,
    reason,
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "submit", class: "primary" }, "Commission"),
      el("button", { type: "button", onclick: undo }, "Undo the newest"),
    ),
    answer,
  );
}

// instance : whose rows they are
export function labelForm(instance, rowOf, done) {
  if (!may("operator")) return notAllowed("Labelling", "operator");
  const { read, nodes } = fields();
  const mode = el(
    "select",
    { name: "failure_mode" },
    el("option", { value: "" }, "not known"),
    session.failure_modes.map((name) => el("option", { value: name }, name)),
  );
  const answer = el("p", { class: "answer", role: "status" });
  const buttons = session.words.map((word) =>
    el(
      "button",
      {
        type: "button",
        onclick: async () => {
          try {
            await post(`${baseOf(instance)}api/labels`, {
              row_id: rowOf(),
              word,
              failure_mode: mode.value,
              ...read(),
            });
            answer.textContent = `Stored: ${word}.`;
            await done();
          } catch (error) {
            answer.textContent = error.message;
          }
        },
      },
      word,
    ),
  );
  return el(
    "form",
    { class: "note", id: "label-form", onsubmit: (event) => event.preventDefault() },
    nodes[0],
    el("label", {}, "Failure mode", mode),
    nodes[1],
    el("div", { class: "buttons" }, buttons),
    answer,
  );
}
