#!/bin/sh
# Tests `giemsa serve` with the clients of others: Triton's client, the parser of Prometheus, and Schemathesis, which sends requests
# that it makes from openapi.json. Installs them into .server/.
#
#   SERVER_VENV=...     a Python environment with the packages of requirements.txt; nothing is installed
#   GIEMSA_PROGRAM=...  a built program; otherwise it is built
set -eu
cd "$(dirname "$0")/../.."
here=tests/server
venv=${SERVER_VENV:-.server}

if [ -z "${SERVER_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement $here/requirements.txt
fi
if [ -z "${GIEMSA_PROGRAM:-}" ]; then
    cargo build --release --quiet
    GIEMSA_PROGRAM=target/release/giemsa
fi
export GIEMSA_PROGRAM
"$venv/bin/python" -m pytest -p no:cacheprovider $here "$@"
