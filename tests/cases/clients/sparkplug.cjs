// A session of Eclipse Tahu's Node client (sparkplug-client), as a broker hands it on.
//
//   node sparkplug.cjs mqtt://127.0.0.1:1883 ../sparkplug/session.json
//
// README.md says which packages it needs. Times are fixed, but those that the client sets itself.
const fs = require("node:fs");
const mqtt = require("mqtt");
const sparkplug = require("sparkplug-client");

const [url, path] = process.argv.slice(2);
const START_MS = 1795704411000;
const SAMPLES = 100; // of each message, at 1000 Hz

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sample n of axis x is n, of axis y -n: whoever reads them can tell what is missing.
function waveform(first, sign) {
  const data = Buffer.alloc(2 * SAMPLES);
  for (let i = 0; i < SAMPLES; i++) data.writeInt16LE(sign * (first + i), 2 * i);
  return new Uint8Array(data);
}

const at = (message) => START_MS + (1000 * SAMPLES * message) / 1000;
const control = { name: "Node Control/Rebirth", type: "Boolean", value: false, alias: 0 };

function birth(x, y, temperature) {
  return {
    timestamp: START_MS,
    metrics: [
      { name: "vibration/x", alias: x, type: "Bytes", value: new Uint8Array(0) },
      { name: "vibration/y", alias: y, type: "Bytes", value: new Uint8Array(0) },
      { name: "temperature", alias: temperature, type: "Float", value: 20.5 },
    ],
  };
}

function data(message, x, y) {
  return {
    timestamp: at(message),
    metrics: [
      { alias: x, type: "Bytes", value: waveform(message * SAMPLES, 1) },
      { alias: y, type: "Bytes", value: waveform(message * SAMPLES, -1) },
    ],
  };
}

async function main() {
  const session = [];
  const recorder = await mqtt.connectAsync(url);
  recorder.on("message", (topic, payload) => {
    session.push({ topic, payload: payload.toString("base64") });
  });
  await recorder.subscribeAsync("spBv1.0/#");

  const edge = sparkplug.newClient({
    serverUrl: url,
    username: "",
    password: "",
    groupId: "plant",
    edgeNode: "line-1",
    clientId: "line-1",
    version: "spBv1.0",
    publishDeath: true,
  });
  await new Promise((resolve) => edge.on("birth", resolve));

  edge.publishNodeBirth({ timestamp: START_MS, metrics: [control] });
  edge.publishDeviceBirth("press", birth(11, 12, 13));
  edge.publishDeviceData("press", data(0, 11, 12));
  edge.publishDeviceData("press", data(1, 11, 12));
  edge.publishDeviceData("press", {
    timestamp: at(2),
    metrics: [{ alias: 13, type: "Float", value: 21.25 }],
  });
  edge.publishNodeData({
    timestamp: at(2),
    metrics: [{ name: "uptime", type: "UInt32", value: 7 }],
  });
  edge.publishDeviceData("press", data(2, 11, 12), { compress: true, algorithm: "GZIP" });
  edge.publishDeviceData("press", data(3, 11, 12), { compress: true });
  // Born again, with other aliases: 11 is the temperature now.
  edge.publishNodeBirth({ timestamp: at(4), metrics: [control] });
  edge.publishDeviceBirth("press", birth(13, 12, 11));
  edge.publishDeviceData("press", data(4, 13, 12));
  edge.publishDeviceDeath("press", { timestamp: at(5) });
  edge.publishDeviceBirth("press", birth(13, 12, 11));
  edge.publishDeviceData("press", data(5, 13, 12));
  await wait(500);
  edge.stop(); // publishes NDEATH
  await wait(500);
  await recorder.endAsync();
  fs.writeFileSync(path, `${JSON.stringify(session, null, 1)}\n`);
}

main();
