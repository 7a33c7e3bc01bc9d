#!/bin/sh
# Lint and format check of the page's scripts, where npm can bring the linter. No user needs it.
set -eu
cd "$(dirname "$0")/../.."
skip() {
    echo "page scripts: not linted, $1"
    exit 0
}
command -v npm >/dev/null || skip "npm is not installed"
if [ ! -e node_modules/.stamp ] || [ package-lock.json -nt node_modules/.stamp ]; then
    npm ci --silent || skip "npm could not install the linter"
    touch node_modules/.stamp
fi
exec npm run --silent check
