#!/bin/sh
# Make deploy/.env with random passwords for deploy/compose.yaml. What is there already stays.
set -eu
file=$(dirname "$0")/../.env
# Hexadecimal: a word that began with - would be taken for an option.
word() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
touch "$file"
for name in CAMSHAFT_INFLUX_TOKEN CAMSHAFT_INFLUX_PASSWORD CAMSHAFT_GRAFANA_INFLUX_PASSWORD \
    CAMSHAFT_GRAFANA_PASSWORD CAMSHAFT_PAGE_PASSWORD; do
    if ! grep -q "^$name=" "$file"; then
        echo "$name=$(word)" >> "$file"
        echo "$file: $name written." >&2
    elif grep -q "^$name=-" "$file"; then
        echo "$file: $name begins with -, which InfluxDB's set-up takes for an option: remove the line, run this again." >&2
        exit 1
    fi
done
