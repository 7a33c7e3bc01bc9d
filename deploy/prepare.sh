#!/bin/sh
# Prepare a Debian or Ubuntu machine for the Makefile. `make` calls it; it may be run by hand as well.
#   deploy/prepare.sh python    prints a Python 3.11 to 3.13 that can make environments, installing Debian's when there is none
#   deploy/prepare.sh servers   installs the programs that the tests start themselves: Mosquitto, InfluxDB 1, Chromium,
#                               and Java with Maven, which fetches Kafka
# Packages are installed as root or through passwordless sudo. CAMSHAFT_NO_APT=1 forbids it.
set -eu

say() { echo "prepare: $*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    [ -z "${CAMSHAFT_NO_APT:-}" ] && command -v apt-get >/dev/null && as_root true 2>/dev/null
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2
}

usable_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

prepare_python() {
    usable_python && return
    if may_install; then
        say "installing Debian's python3-venv"
        as_root apt-get update -qq >&2
        apt_install python3 python3-venv
        usable_python && return
    fi
    say "no Python 3.11, 3.12 or 3.13 with the module venv was found. Install one (apt-get install python3-venv), or name it: make PYTHON=/path/to/python3.12 ..."
    return 1
}

# Installing a server's package starts it, now and at every boot. The tests need the program alone, so both are held
# back, but only for what was not there before.
install_server() {
    package=$1
    shift
    [ -d /run/systemd/system ] && as_root systemctl mask --runtime --quiet "$package.service"
    apt_install "$package" "$@" || result=$?
    if [ -d /run/systemd/system ]; then
        as_root systemctl unmask --runtime --quiet "$package.service"
        as_root systemctl disable --quiet "$package.service" || true
    fi
    return "${result:-0}"
}

prepare_server() {
    program=$1
    shift
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null && return
    if ! may_install; then
        say "$program is not there and may not be installed (no apt-get, neither root nor passwordless sudo, or CAMSHAFT_NO_APT is set): the tests that need it will be skipped"
    elif ! as_root apt-get update -qq >&2 || ! apt-cache show "$1" >/dev/null 2>&1; then
        say "this system has no package $1: the tests that need $program will be skipped"
    else
        say "installing $*"
        install_server "$@" || say "$1 could not be installed: the tests that need $program will be skipped"
    fi
}

case "${1:-}" in
    python) prepare_python ;;
    servers)
        prepare_server mosquitto mosquitto
        prepare_server influxd influxdb
        prepare_server chromium chromium fonts-dejavu-core
        prepare_server java default-jre-headless
        prepare_server mvn maven
        ;;
    *)
        say "say 'python' or 'servers'"
        exit 2
        ;;
esac
