"""InfluxDB: line protocol, and the only influxdb-client. Imports outputs, records and config."""
