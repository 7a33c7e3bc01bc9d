// Messages of Node's MQTT and serialization packages and of mosquitto_pub, as a broker hands them
// on, with the samples that were meant.
//
//   node messages.cjs mqtt://127.0.0.1:1883 ../messages
//
// README.md says which packages it needs. Each message goes to messages/client-*/payload*.bin.
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const zlib = require("node:zlib");
const cbor = require("cbor");
const cborX = require("cbor-x");
const msgpack = require("@msgpack/msgpack");
const { pack } = require("msgpackr");
const mqtt = require("mqtt");

const [url, folder] = process.argv.slice(2);
const TOPIC = "plant/mill/spindle";
const START_MS = 1795704411250;
const RATE_HZ = 1000;
// All are whole eighths: float32 and text say them without loss.
const X = [0.5, -1.25, 2, 0.75, -3.5, 1, 0.25, -0.125];
const Y = [4, 2.5, -0.75, 1.5, -2, 0.125, 3.25, -1];
const rows = X.map((x, i) => [x, Y[i]]);
const facts = { time: new Date(START_MS).toISOString(), sequence: 12 };

const float32 = (values) => Buffer.from(Float32Array.from(values).buffer);
const meant = {
  sensor: "mill/spindle",
  sample_rate_hz: RATE_HZ,
  start_ns: START_MS * 1e6,
  sequence: 12,
  samples: [X, Y],
};
// What a message does not state is null.
const bare = { ...meant, start_ns: null, sequence: null };

function program(name, args, options) {
  const { hostname, port } = new URL(url);
  const where = ["-h", hostname, "-p", port, "-t", TOPIC, ...args];
  execFileSync(name, where, { stdio: ["pipe", "inherit", "inherit"], ...options });
}

const pub = (args, options) => () => program("mosquitto_pub", args, options);
const property = (key, value) => ["-D", "publish", "user-property", key, `${value}`];

function scratch(bytes) {
  const file = path.join(fs.mkdtempSync("/tmp/client-"), "payload");
  fs.writeFileSync(file, bytes);
  return file;
}

// folder: [[how it is sent, what is meant], ...]; a Buffer or text is published by mqtt.js.
const cases = {
  "client-mosquitto-json": [
    [pub(["-m", JSON.stringify({ ...facts, samples: { x: X, y: Y } })]), meant],
    // -s: all of standard input, with the line end that an editor leaves
    [pub(["-s"], { input: `${JSON.stringify({ ...facts, samples: { x: X, y: Y } })}\n` }), meant],
  ],
  "client-mosquitto-lines": [
    // -l: a message for each line
    [pub(["-l"], { input: rows.map((row) => `${row.join(" ")}\n`).join("") }), bare],
  ],
  "client-mosquitto-properties": [
    [
      pub([
        ...["-V", "5", "-f", scratch(float32(rows.flat()))],
        ...property("sequence", 12),
        ...property("start_time_ms", START_MS),
      ]),
      meant,
    ],
  ],
  "client-node-json": [
    [JSON.stringify({ ...facts, samples: { x: X, y: Y } }), meant],
    // A typed array becomes an object with the indices as keys, unless it is made a list.
    [JSON.stringify({ ...facts, samples: { x: Array.from(Float32Array.from(X)), y: Y } }), meant],
  ],
  "client-node-base64-gzip": [
    [zlib.gzipSync(JSON.stringify({ ...facts, d: float32(rows.flat()).toString("base64") })), meant],
  ],
  "client-node-cbor": [
    [cbor.encode({ ...facts, samples: { x: X, y: Y } }), meant],
    [cbor.encode({ ...facts, samples: { x: Float32Array.from(X), y: Float32Array.from(Y) } }), meant],
    [cbor.encode({ ...facts, time: new Date(START_MS), samples: { x: X, y: Y } }), meant],
  ],
  "client-node-cbor-x": [
    [cborX.encode({ ...facts, samples: { x: X, y: Y } }), meant],
    [cborX.encode({ ...facts, samples: { x: Float32Array.from(X), y: Float32Array.from(Y) } }), meant],
  ],
  "client-node-msgpack": [
    [Buffer.from(msgpack.encode({ ...facts, samples: { x: X, y: Y } })), meant],
    [Buffer.from(msgpack.encode({ ...facts, time: new Date(START_MS), samples: { x: X, y: Y } })), meant],
    [pack({ ...facts, samples: { x: X, y: Y } }), meant],
  ],
  "client-node-msgpack-bytes": [
    [Buffer.from(msgpack.encode({ ...facts, samples: float32(rows.flat()) })), meant],
    [pack({ ...facts, samples: float32(rows.flat()) }), meant],
  ],
};

async function main() {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  const received = [];
  client.on("message", (_topic, payload, packet) => {
    const properties = { ...packet.properties?.userProperties };
    received.push({ payload, properties });
  });
  await client.subscribeAsync(TOPIC, { qos: 1 });
  for (const [name, sendings] of Object.entries(cases)) {
    const place = path.join(folder, name);
    fs.mkdirSync(place, { recursive: true });
    const expected = [];
    for (const [how, chunk] of sendings) {
      received.length = 0;
      if (typeof how === "function") how();
      else await client.publishAsync(TOPIC, how, { qos: 1 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      received.forEach(({ payload, properties }, i) => {
        const file = `payload-${expected.length + 1}.bin`;
        fs.writeFileSync(path.join(place, file), payload);
        // Of lines each message is an instant of its own.
        const samples = received.length > 1 ? chunk.samples.map((row) => [row[i]]) : chunk.samples;
        expected.push({ file, topic: TOPIC, properties, chunks: [{ ...chunk, samples }] });
      });
    }
    const lines = expected.map((entry) => ` ${JSON.stringify(entry)}`);
    fs.writeFileSync(path.join(place, "expected.json"), `[\n${lines.join(",\n")}\n]\n`);
  }
  await client.endAsync();
}

main();
