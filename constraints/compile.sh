#!/bin/sh
# Resolve pyproject.toml anew: versions and hashes for every supported Python and processor. Run it by `make constraints`.
# development.txt comes first and binds the others, so that one package has one version in all of them.
set -eu
cd "$(dirname "$0")/.."
compile() {
    name=$1
    shift
    # setuptools builds Camshaft itself, so it is checked like everything else.
    echo "setuptools>=77" | .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --custom-compile-command "make constraints" \
        --output-file "constraints/$name.txt" pyproject.toml - "$@"
}
compile development --all-extras --upgrade
compile demo --extra demo --constraint constraints/development.txt
compile daemon --constraint constraints/development.txt
compile page --extra page --extra prometheus --extra formats --extra kafka --constraint constraints/development.txt
compile training --extra training --constraint constraints/development.txt
compile ray --extra training --extra ray --constraint constraints/development.txt
