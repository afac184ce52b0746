#!/bin/sh
# Measures `giemsa serve` under load on this machine: starts it on free ports, with data in temporary folders, and prints a table
# with the goals. It takes about three minutes, and fails if a request is lost or memory grows. Speeds are reported only; nothing else
# should run while they are measured.
#
#   CELLS=...                 folder with images of cells [5000 drawn ones]
#   REQUESTS, CONNECTIONS     for the capacity [10000, 32]
#   DURATION_S                for the latency and the overload [10]
#   STOPS                     how often a server is stopped under load [20]
#   OUT=...                   folder for the cells and the table [target/load]
set -eu
cd "$(dirname "$0")/../.."
out=${OUT:-target/load}
mkdir -p "$out"

cargo build --release --quiet
cargo build --release --quiet --locked --manifest-path benches/load/Cargo.toml --target-dir target/load-build
giemsa=target/release/giemsa
if [ -z "${CELLS:-}" ]; then
    CELLS=$out/demo/cells
    [ -d "$CELLS" ] || $giemsa demo "$out/demo" --images 5000 --epochs 1 --quiet
fi

# A connection is a file.
ulimit -n 4096 2>/dev/null || true
exec target/load-build/release/giemsa-load giemsa $giemsa "$CELLS"
