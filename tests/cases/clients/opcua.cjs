// OPC UA PubSub in JSON: values encoded by node-opcua in all four encodings, within the headers of
// Part 14, with the samples that were meant.
//
//   node opcua.cjs ../messages
//
// README.md says which packages it needs.
const fs = require("node:fs");
const path = require("node:path");
const json = require("node-opcua-json");
const { Variant, DataType, VariantArrayType } = require("node-opcua-variant");
const { DataValue } = require("node-opcua-data-value");
const { StatusCodes } = require("node-opcua-status-code");

const [folder] = process.argv.slice(2);
const START_MS = 1795704411250;
const X = [0.5, -1.25, 2, 0.75, -3.5, 1, 0.25, -0.125];
const Y = [4, 2.5, -0.75, 1.5, -2, 0.125, 3.25, -1];

const list = (values) =>
  new Variant({
    dataType: DataType.Float,
    arrayType: VariantArrayType.Array,
    value: Float32Array.from(values),
  });
const matrix = (rows) =>
  new Variant({
    dataType: DataType.Double,
    arrayType: VariantArrayType.Matrix,
    dimensions: [rows.length, rows[0].length],
    value: Float64Array.from(rows.flat()),
  });
const bytes = (values) =>
  new Variant({
    dataType: DataType.ByteString,
    value: Buffer.from(Float32Array.from(values).buffer),
  });
const stamped = (value, statusCode = StatusCodes.Good) =>
  new DataValue({ value, statusCode, sourceTimestamp: new Date(START_MS) });

const asVariant = (scheme) => (value) => json.opcuaJsonEncodeVariant(value, scheme);
const asDataValue = (scheme) => (value, status) =>
  json.opcuaJsonEncodeDataValue(stamped(value, status), scheme);

function network(messages) {
  return { MessageId: "5cb9", MessageType: "ua-data", PublisherId: "mill", Messages: messages };
}

function dataSet(payload, writer = "spindle", more = {}) {
  return {
    DataSetWriterId: 7,
    DataSetWriterName: writer,
    SequenceNumber: 12,
    MetaDataVersion: { MajorVersion: 1, MinorVersion: 0 },
    Timestamp: new Date(START_MS).toISOString(),
    MessageType: "ua-keyframe",
    Payload: payload,
    ...more,
  };
}

const chunk = (samples, sensor = "mill/spindle") => ({
  sensor,
  sample_rate_hz: 1000,
  start_ns: START_MS * 1e6,
  sequence: 12,
  samples,
});
const keepAlive = dataSet(undefined, "spindle", { MessageType: "ua-keepalive" });
const schemes = Object.values(json.JsonEncodingScheme).filter((one) => typeof one === "number");
const both = (encode) => ({ x: encode(list(X)), y: encode(list(Y)), rpm: 1480 });

const cases = {
  // Each encoding, as Variants and as DataValues; two writers in one message, and a keep-alive.
  "opcua-fields": [
    ...schemes.map((scheme) => [
      network([dataSet(both(asVariant(scheme))), keepAlive]),
      [chunk([X, Y])],
    ]),
    ...schemes.map((scheme) => [
      network([
        dataSet(both(asDataValue(scheme))),
        dataSet({ x: asDataValue(scheme)(list(Y)), y: asDataValue(scheme)(list(X)) }, "table"),
      ]),
      [chunk([X, Y]), chunk([Y, X], "mill/table")],
    ]),
    // A sensor that failed has no numbers.
    ...schemes.map((scheme) => [
      network(
        dataSet({
          x: asDataValue(scheme)(list(X), StatusCodes.BadSensorFailure),
          y: asDataValue(scheme)(list(Y)),
        }),
      ),
      [chunk([X.map(() => null), Y])],
    ]),
  ],
  "opcua-matrix": schemes.map((scheme) => [
    network([dataSet({ waveform: asVariant(scheme)(matrix([X, Y])) })]),
    [chunk([X, Y])],
  ]),
  "opcua-bytes": schemes
    .filter((scheme) => scheme !== json.JsonEncodingScheme.DeprecatedNonReversible)
    .map((scheme) => [
      network([dataSet({ x: asVariant(scheme)(bytes(X)), y: asVariant(scheme)(bytes(Y)) })]),
      [chunk([X, Y])],
    ]),
};

for (const [name, entries] of Object.entries(cases)) {
  const place = path.join(folder, name);
  fs.mkdirSync(place, { recursive: true });
  const expected = entries.map(([message, chunks], i) => {
    const file = `payload-${i + 1}.bin`;
    fs.writeFileSync(path.join(place, file), JSON.stringify(message));
    return { file, topic: "opcua/json/data", chunks };
  });
  const lines = expected.map((entry) => ` ${JSON.stringify(entry)}`);
  fs.writeFileSync(path.join(place, "expected.json"), `[\n${lines.join(",\n")}\n]\n`);
}
