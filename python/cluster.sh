#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment with Ray and Spark, and tests it on clusters of several processes on
# this machine. Needs cargo and Python 3.11 or later with venv; `PYTHON` is the interpreter, and `GIEMSA_PROGRAM` the program,
# which is built if it is not given. Java is installed from Debian's packages if it is missing. Arguments are passed to pytest.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
MATURIN=1.16.0

if ! command -v java > /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "cluster: expected Java: apt-get install default-jre-headless" >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends default-jre-headless > /dev/null
fi

[ -x .venv/build/bin/maturin ] || {
    "$PYTHON" -m venv .venv/build
    .venv/build/bin/pip install --quiet --disable-pip-version-check "maturin==$MATURIN"
}
rm -rf target/wheels .venv/cluster
.venv/build/bin/maturin build --release --locked --out target/wheels
if [ -z "${GIEMSA_PROGRAM:-}" ]; then
    (cd .. && cargo build --locked)
    GIEMSA_PROGRAM=$PWD/../target/debug/giemsa
fi
export GIEMSA_PROGRAM

"$PYTHON" -m venv .venv/cluster
.venv/cluster/bin/pip install --quiet --disable-pip-version-check --requirement requirements-cluster.txt \
    "$(echo "$PWD"/target/wheels/giemsa-*.whl)[ray,spark]"

# Not from this folder, so that the installed package is the one that is tested.
root=$PWD
cd "$root/target/wheels"
"$root/.venv/cluster/bin/pytest" --quiet --rootdir "$root" \
    --config-file "$root/pyproject.toml" "$root/tests/cluster" "$@"
