#!/bin/sh
# Run once by InfluxDB's image after its set-up: a token that writes the bucket and nothing else for Camshaft, and for
# Grafana a user that reads it and nothing else, over InfluxQL.
set -eu
bucket=$(influx bucket list --name "$DOCKER_INFLUXDB_INIT_BUCKET" --hide-headers | cut -f 1)
influx v1 dbrp create --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --bucket-id "$bucket" --default
influx v1 auth create --username grafana --password="$CAMSHAFT_GRAFANA_INFLUX_PASSWORD" --read-bucket "$bucket"
# The folder is a volume that Camshaft's containers see too, read-only: the token is InfluxDB's choice, not ours.
chmod 755 /home/influxdb
influx auth create --description camshaft --write-bucket "$bucket" --hide-headers | cut -f 3 > /home/influxdb/camshaft-token
