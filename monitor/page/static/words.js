// How things are said: statuses, times in the viewer's zone, frequencies.

// In the order in which they ask for a look.
export const STATUSES = ["NG", "NO_ANSWER", "NO_DATA", "BAD_DATA", "LEARNING", "OK", "IDLE"];

const MEANINGS = {
  OK: "OK",
  NG: "NG: not good",
  BAD_DATA: "bad data: could not be judged",
  IDLE: "idle: the machine does not run",
  LEARNING: "learning: not commissioned yet",
  NO_DATA: "no data: the sensor is silent",
  NO_ANSWER: "no answer: the page of its machine is not heard",
};
export const meaning = (status) => MEANINGS[status] ?? status;
export const statusWord = (status) => status.replace("_", " ");

// Of a window whose judge was taken back: its OK says nothing.
export const UNDONE_WORDS = "judged by a commissioning that was undone";

const KINDS = {
  alarm_raised: "Alarm raised",
  alarm_cleared: "Alarm cleared",
  alarm_acknowledged: "Alarm acknowledged",
  diagnosed: "Alarm diagnosed",
  diagnosis_asked: "Diagnosis asked for",
  label: "Label",
  silent: "Sensor silent",
  back: "Sensor back",
  commissioned: "Commissioned",
  commissioning_refused: "Commissioning refused",
  commissioning_undone: "Commissioning undone",
  geometry_changed: "Geometry changed",
  muted: "Muted",
  unmuted: "Mute ended",
  repair_noted: "Repair noted",
  repair_checked: "Repair checked",
  drift: "Drifted",
  resend: "Rows sent again",
  reload_asked: "Reload asked for",
  not_understood: "Not understood",
  format_wrong: "Format wrong",
  clock_wrong: "Clock wrong",
  rate_wrong: "Sample rate wrong",
  snapshot_too_short: "Snapshot too short",
  ambiguous: "Two senders, one name",
  model_changed: "Model changed",
  never_whole: "No window is ever whole",
  period_wrong: "Period wrong",
  overload: "Windows dropped",
  overload_over: "No more windows dropped",
  records_gone: "Records were deleted unread",
};
export const kindWord = (kind) => KINDS[kind] ?? kind.replaceAll("_", " ");

// In the viewer's zone and words, but always of 24 hours, as on the charts' axes.
const told = (parts) => new Intl.DateTimeFormat(undefined, { ...parts, hourCycle: "h23" });
const CLOCK = told({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = told({ hour: "2-digit", minute: "2-digit" });
const DAY = told({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const FULL = told({ dateStyle: "medium", timeStyle: "long" });

export const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone;

const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

export const clock = (ms) => CLOCK.format(ms);
export const fullTime = (ms) => FULL.format(ms);
export const shortTime = (ms, now = Date.now()) => (sameDay(ms, now) ? SHORT : DAY).format(ms);

export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function hz(value) {
  if (value >= 1000) return `${trim(value / 1000, value >= 10000 ? 1 : 2)} kHz`;
  return `${trim(value, value >= 100 ? 0 : 1)} Hz`;
}

export function bandWords(low, high) {
  if (high < 1000) return `${trim(low, low >= 100 ? 0 : 1)}–${hz(high)}`;
  if (low >= 1000) return `${trim(low / 1000, low >= 10000 ? 1 : 2)}–${hz(high)}`;
  return `${hz(low)} – ${hz(high)}`;
}

// "3.09–4.91 kHz hold 87 %", of a band as the fleet has it: low, high, share.
export const bandHolds = ([low, high, share]) => `${bandWords(low, high)} hold ${percent(share)}`;

const trim = (value, digits) => String(Number(value.toFixed(digits)));

// A signed number with a true minus.
export function signed(value, digits = 3) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "+") + text;
}

// A number with a true minus, and none before a zero; a dash where there is no number.
export function plain(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

export const percent = (share) => `${Math.round(100 * share)} %`;
export const machineOf = (sensor) => sensor.slice(0, sensor.lastIndexOf("/"));
export const pointOf = (sensor) => sensor.slice(sensor.lastIndexOf("/") + 1);

// As a tile spells it.
export const spelled = (sensor) => `${machineOf(sensor)} ${pointOf(sensor)}`;

// Of a point that several instances judge just now, or that has just moved from one to another.
export function alsoWords({ also }) {
  if (!also?.length) return "";
  return `Fresh windows in ${also.map((name) => name || "this page's journal").join(", ")}, too`;
}

const ALARM_WORDS = { raised: "ALARM", acknowledged: "alarm seen", unseen: "ALARM OVER" };
export const alarmWord = ({ alarm }) => ALARM_WORDS[alarm] ?? "";

export function mutedWords({ muted }) {
  if (!muted) return "";
  return `muted until ${shortTime(muted.until_ms)} by ${muted.author}: ${muted.reason}`;
}
