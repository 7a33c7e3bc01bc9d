#!/bin/sh
# From a clone to your own sensor on the page: installs into .venv, listens to a broker with `camshaft discover`, checks
# what it found, starts the service and the page. Ctrl-C ends both.
#   deploy/own-sensor.sh 192.168.1.20                            asks what cannot be known
#   deploy/own-sensor.sh plant:1883 --yes --answer unit=g        further words are those of camshaft discover
# Configuration and journal stay in ./own-sensor, or in $FOLDER; a configuration that is there is used as it is.
# The page is at http://127.0.0.1:8477/, or at $PORT.
set -eu

if [ $# -eq 0 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
fi
broker=$1
shift
clone=$(cd "$(dirname "$0")/.." && pwd)
folder=${FOLDER:-own-sensor}

[ -x "$clone/.venv/bin/camshaft" ] || make --silent --directory "$clone" .venv/page.stamp
mkdir -p "$folder"
cd "$folder"
PATH=$clone/.venv/bin:$PATH

# A question that is left open ends with 1: what is certain may be written all the same.
[ -e camshaft.yaml ] || camshaft discover --broker "$broker" --out camshaft.yaml "$@" || [ -e camshaft.yaml ]
camshaft check-config camshaft.yaml
camshaft doctor -c camshaft.yaml

camshaft run -c camshaft.yaml &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The page needs the journal, which the service makes.
until [ -e camshaft.journal ]; do
    kill -0 "$service"
    sleep 0.2
done
echo "Your sensors: http://127.0.0.1:${PORT:-8477}/"
camshaft page -c camshaft.yaml --port "${PORT:-8477}" &
page=$!
trap 'kill "$page" "$service" 2>/dev/null; wait "$page" "$service"' EXIT
wait "$page"
