#!/bin/sh
# Make deploy/.env with random passwords for deploy/compose.yaml, unless it is there already.
set -eu
file=$(dirname "$0")/../.env
if [ -e "$file" ]; then
    echo "$file is there already; it stays." >&2
    exit 0
fi
word() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
umask 077
{
    for name in CAMSHAFT_INFLUX_TOKEN CAMSHAFT_INFLUX_PASSWORD CAMSHAFT_GRAFANA_PASSWORD CAMSHAFT_PAGE_PASSWORD; do
        echo "$name=$(word)"
    done
} > "$file"
echo "$file written." >&2
