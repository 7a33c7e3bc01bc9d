#!/bin/sh
# Run once by InfluxDB's image after its set-up: InfluxQL, which Grafana speaks, finds the bucket as a database.
set -eu
influx v1 dbrp create --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --default
