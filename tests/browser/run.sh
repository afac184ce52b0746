#!/bin/sh
# Tests the page of `giemsa serve` in Chromium: installs what is missing, builds the program, and clicks through every state of the
# page. The pictures of the states are in OUT.
#
#   GIEMSA_PROGRAM=...  the program; it is not built
#   BROWSER_VENV=...    a Python environment with the packages of requirements.txt; nothing is installed
#   CHROMIUM=...        the browser [chromium]
#   OUT=...             folder for the pictures and axe-core [target/browser]
#
# Other arguments are those of pytest: `tests/browser/run.sh -k review`.
set -eu
cd "$(dirname "$0")/../.."
here=tests/browser
venv=${BROWSER_VENV:-.browser}
export OUT="${OUT:-target/browser}"
mkdir -p "$OUT"

if ! command -v "${CHROMIUM:-chromium}" >/dev/null; then
    apt-get update -qq && apt-get install --yes -qq --no-install-recommends chromium fonts-dejavu-core
fi
CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
export CHROMIUM

if [ -z "${BROWSER_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement $here/requirements.txt
fi

# axe-core finds what keeps people from using a page with a keyboard or a screen reader.
axe_version=4.14.1
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
export AXE="$OUT/axe-$axe_version.min.js"
if [ ! -f "$AXE" ]; then
    archive="$OUT/axe-core.tgz"
    "$venv/bin/python" -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' \
        "https://registry.npmjs.org/axe-core/-/axe-core-$axe_version.tgz" "$archive"
    echo "$axe_sha256  $archive" | sha256sum --check --quiet
    tar --extract --gzip --to-stdout --file "$archive" package/axe.min.js > "$AXE.part"
    mv "$AXE.part" "$AXE"
    rm "$archive"
fi

if [ -z "${GIEMSA_PROGRAM:-}" ]; then
    cargo build --release --quiet --package giemsa-cli
    GIEMSA_PROGRAM=target/release/giemsa
fi
export GIEMSA_PROGRAM
exec "$venv/bin/python" -m pytest -p no:cacheprovider --quiet --rootdir . -o "testpaths=$here" "$@"
