// Talking to the page's server: requests, and the live state that it pushes.

export const session = {
  csrf: "",
  instance: "",
  words: [],
  failure_modes: [],
  advice: {}, // what to check and do, by failure mode or part
  with_login: false,
  user: "", // the name they logged in with; "" where they sign by themselves
  role: "viewer",
};

async function answerOf(response) {
  if (response.status === 401) {
    location.assign("./");
    return new Promise(() => {}); // the page is leaving
  }
  const tree = await response
    .json()
    .catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) {
    const error = new Error(tree.error ?? `The server answered ${response.status}.`);
    error.tree = tree; // what else the server says of it
    throw error;
  }
  return tree;
}

// Where nothing answers, a browser's own words ("Failed to fetch") help nobody.
export async function answered(load) {
  try {
    return await load();
  } catch {
    throw new Error("The page's server does not answer. Try again once it is back.");
  }
}

export const get = async (address) => answerOf(await answered(() => fetch(address)));

export const post = async (address, tree) =>
  answerOf(
    await answered(() =>
      fetch(address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": session.csrf },
        body: JSON.stringify(tree),
      }),
    ),
  );

const ROLES = ["viewer", "operator", "admin"]; // each may all that the one before may

export const may = (role) => ROLES.indexOf(session.role) >= ROLES.indexOf(role);

export async function openSession() {
  Object.assign(session, await get("api/session"));
}

// The fleet as the server tells it. Listeners get what changed: {sensors: [names]} | {events} | {refused: true} | {all: true} | {health}.
export const fleet = {
  sensors: new Map(),
  refused: [], // topics whose messages nothing is made of
  instances: [{ instance: "", name: "", read_only: false, is_ours: true, health: null }],
  known: false,
  connected: false,
};

// What is wrong with the journals themselves: nothing can be told of their points.
export const troubles = () => fleet.instances.map(({ trouble }) => trouble).filter(Boolean);

// -- instances ---------------------------------------------------------------------------------

// Where an instance's addresses begin: "" is the page's own, "hall-2/line-1" an instance of another page.
export const baseOf = (instance) =>
  instance
    .split("/")
    .filter((name) => /^\w[\w.-]*$/.test(name))
    .map((name) => `at/${name}/`)
    .join("");

// Whose windows of a point are shown.
export const instanceOf = (sensor) => fleet.sensors.get(sensor)?.instance ?? "";
export const baseOfPoint = (sensor) => baseOf(instanceOf(sensor));

// Those of another page are looked at, no more.
export const isReadOnly = (instance) =>
  instance.includes("/") ||
  fleet.instances.some((one) => one.instance === instance && one.read_only);

export const isPlant = () => fleet.instances.length > 1;

// A link to a window or an event ("row/7"): its number is that of one instance.
export function addressIn(instance, sensor, what) {
  const at = isPlant() ? `?at=${encodeURIComponent(instance)}` : "";
  return `#/point/${encodeURIComponent(sensor)}/${what}${at}`;
}

// The same question to instances: [{ one, tree }], or [{ one, error }] of those that do not answer.
export const askAll = (instances, address) =>
  Promise.all(
    instances.map((one) =>
      get(`${baseOf(one.instance)}${address}`).then(
        (tree) => ({ one, tree }),
        (error) => ({ one, error }),
      ),
    ),
  );

let tellFirst;
const first = new Promise((resolve) => {
  tellFirst = resolve;
});
const FIRST_MS = 3_000;

// Which instance has a point is known once the server has told the fleet, or never: then the own one is asked.
export const firstTold = () =>
  Promise.race([first, new Promise((resolve) => setTimeout(resolve, FIRST_MS))]);

const SILENT_MS = 12_000; // the server says something every 3 s at least
const WATCH_MS = 3_000;

const listeners = new Set();

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(change) {
  for (const listener of listeners) listener(change);
}

export function connect() {
  const stream = new EventSource("api/live");
  let heard_ms = Date.now();
  const on = (name, work) =>
    stream.addEventListener(name, (event) => {
      heard_ms = Date.now();
      work(JSON.parse(event.data));
    });
  // A phone that slept keeps a connection that is none: whoever is silent is asked anew.
  const watch = setInterval(look, WATCH_MS);
  addEventListener("online", look);
  document.addEventListener("visibilitychange", look);

  function look() {
    if (document.hidden || Date.now() - heard_ms < SILENT_MS) return;
    leave();
    fleet.connected = false;
    tell({ health: true });
    reconnect();
  }

  function leave() {
    stream.close();
    clearInterval(watch);
    removeEventListener("online", look);
    document.removeEventListener("visibilitychange", look);
  }
  on("snapshot", (tree) => {
    Object.assign(fleet, {
      instances: tree.instances,
      refused: tree.refused,
      known: true,
      connected: true,
    });
    fleet.sensors = new Map(tree.sensors.map((sensor) => [sensor.sensor, sensor]));
    tellFirst();
    tell({ all: true });
  });
  on("fleet", (changes) => {
    for (const change of changes) {
      fleet.sensors.set(change.sensor, { ...fleet.sensors.get(change.sensor), ...change });
    }
    tell({ sensors: changes.map((change) => change.sensor) });
  });
  on("beat", () => {});
  on("events", (events) => tell({ events }));
  on("refused", (refused) => {
    fleet.refused = refused;
    tell({ refused: true });
  });
  on("instances", (instances) => {
    const before = troubles().join();
    fleet.instances = instances;
    tell(before === troubles().join() ? { health: true } : { all: true });
  });
  stream.onopen = () => {
    fleet.connected = true;
    tell({ health: true });
  };
  stream.onerror = () => {
    fleet.connected = false;
    tell({ health: true });
    if (stream.readyState !== EventSource.CLOSED) return;
    leave();
    setTimeout(reconnect, 2000);
  };
}

// The browser gives up where the server answers with an error: the session may have ended.
async function reconnect() {
  try {
    await openSession();
    connect();
  } catch {
    setTimeout(reconnect, 2000);
  }
}
