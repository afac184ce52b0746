#!/bin/sh
# Compares `giemsa serve` with the same model behind FastAPI, uvicorn and ONNX Runtime, with one worker and with one per processor, under
# the same load in the same run: requests per second, 99th percentile, and the largest difference of a probability. Installs
# Python packages into .peers-serve/.
#
#   CELLS=...                 folder with images of cells [2000 drawn ones]
#   REQUESTS, CONNECTIONS     [10000, 32]
#   SERVE_VENV=...            a Python environment with the packages; nothing is installed
#   OUT=...                   folder for the cells and the model [target/peers-serve]
set -eu
cd "$(dirname "$0")/../.."
here=benches/peers
out=${OUT:-target/peers-serve}
venv=${SERVE_VENV:-.peers-serve}
workers=$(nproc)
mkdir -p "$out"

if [ -z "${SERVE_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement $here/requirements-serve.txt
fi
cargo build --release --quiet
cargo build --release --quiet --locked --manifest-path benches/load/Cargo.toml --target-dir target/load-build
giemsa=target/release/giemsa
if [ -z "${CELLS:-}" ]; then
    CELLS=$out/demo/cells
    [ -d "$CELLS" ] || $giemsa demo "$out/demo" --images 2000 --epochs 1 --quiet
fi
$giemsa export builtin --to onnx --out "$out/compact.onnx" --force >/dev/null

# Prints a free port.
free_port() {
    "$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts uvicorn with $1 workers on port $2.
start() {
    GIEMSA_ONNX=$out/compact.onnx OMP_NUM_THREADS=1 "$venv/bin/uvicorn" --app-dir $here fastapi_server:app --workers "$1" \
        --port "$2" --loop uvloop --http httptools --no-access-log --log-level warning &
    servers="$servers $!"
}

servers=
trap 'kill $servers 2>/dev/null' EXIT
one=$(free_port)
start 1 "$one"
several=$(free_port)
start "$workers" "$several"
for port in $one $several; do
    for _ in $(seq 100); do
        "$venv/bin/python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
        sleep 0.2
    done
done
target/load-build/release/giemsa-load compare $giemsa "$CELLS" "fastapi-1-worker=127.0.0.1:$one" \
    "fastapi-$workers-workers=127.0.0.1:$several"
