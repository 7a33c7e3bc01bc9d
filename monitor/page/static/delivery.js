// What each database refused, and sending rows again: refused ones, or all of a span of time.

import { el, show } from "./dom.js";
import { noteForm } from "./forms.js";
import { askAll, baseOf, fleet, isPlant, post } from "./net.js";
import { fullTime } from "./words.js";

export function deliveryView(view) {
  const lists = el("div", {});
  show(view, el("div", { class: "bar" }, el("h1", {}, "Delivery")), lists);

  async function load() {
    const ours = fleet.instances.filter((one) => one.is_ours);
    const answers = await askAll(ours, "api/delivery");
    show(lists, answers.map(part));
  }

  function part({ one, tree, error }) {
    const title = isPlant() ? el("h2", {}, one.name) : null;
    if (error) return [title, el("p", { class: "trouble" }, error.message)];
    const none = "No InfluxDB is configured: the journal is the store.";
    if (!tree.databases.length) return [title, el("p", { class: "empty" }, none)];
    return [title, ...tree.databases.map((database) => section(database, load, one.instance))];
  }

  load();
  return () => {};
}

function section(database, load, instance) {
  const { accepted, rejected, waiting, sending_again, refused } = database;
  const again = sending_again ? ` · ${sending_again} to be sent again` : "";
  return el(
    "section",
    { class: "database" },
    el("h2", {}, database.name),
    el("p", {}, `${accepted} rows accepted · ${rejected} refused · ${waiting} waiting${again}`),
    el(
      "ul",
      { class: "refused" },
      refused.map((row) => el("li", {}, el("b", {}, `${row.n_rows} × ${row.kind}`), words(row))),
    ),
    resendForm(database.name, load, instance),
  );
}

function words(row) {
  const span = row.first_ms ? `, ${fullTime(row.first_ms)} to ${fullTime(row.last_ms)}` : "";
  const gone = row.n_gone ? ` (${row.n_gone} no longer in the journal)` : "";
  return `${span}${gone}: ${row.reason}`;
}

// The plan is shown first; the order goes out on a second press, and only for what was shown.
function resendForm(output, load, instance) {
  const address = `${baseOf(instance)}api/resend`;
  const from = el("input", { type: "datetime-local", name: "from", step: 1 });
  const to = el("input", { type: "datetime-local", name: "to", step: 1 });
  const only = el("input", { type: "checkbox", name: "refused_only", checked: true });
  const place = el("div", { role: "status" });
  const wish = () => ({
    output,
    from_ms: from.value ? new Date(from.value).getTime() : null,
    to_ms: to.value ? new Date(to.value).getTime() : null,
    refused_only: only.checked,
  });
  const preview = async () => {
    const asked = wish();
    try {
      const plan = await post(address, { ...asked, preview: true });
      show(
        place,
        el("p", {}, `${output} would get ${plan.text} again.`),
        noteForm(
          "Send again",
          async (note) => {
            await post(address, { ...asked, preview: false, ...note });
            await load();
          },
          () => show(place),
        ),
      );
    } catch (error) {
      show(place, el("p", { class: "trouble" }, error.message));
    }
  };
  return el(
    "div",
    { class: "resend" },
    el("label", {}, "From", from),
    el("label", {}, "To", to),
    el("label", {}, only, "Only rows that were refused"),
    el("button", { type: "button", class: "preview", onclick: preview }, "What would be sent?"),
    place,
  );
}
