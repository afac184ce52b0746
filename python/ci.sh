#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment, and tests what is installed. Needs cargo and Python 3.11 or later
# with venv; `PYTHON` is the interpreter. Everything is below python/.venv and python/target.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
MATURIN=1.16.0

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python: expected Python 3.11 or later" >&2; exit 1; }
cargo fmt --check
cargo clippy --release --locked -- -D warnings

rm -rf .venv target/wheels
"$PYTHON" -m venv .venv/build
.venv/build/bin/pip install --quiet --disable-pip-version-check "maturin==$MATURIN"
.venv/build/bin/maturin build --release --locked --out target/wheels

"$PYTHON" -m venv .venv/test
.venv/test/bin/pip install --quiet --disable-pip-version-check --requirement requirements-test.txt target/wheels/giemsa-*.whl

# Not from this folder, so that the installed package is the one that is tested.
root=$PWD
cd "$root/target/wheels"
"$root/.venv/test/bin/python" -m mypy.stubtest --mypy-config-file "$root/pyproject.toml" giemsa._giemsa
"$root/.venv/test/bin/mypy" --config-file "$root/pyproject.toml" -p giemsa
"$root/.venv/test/bin/mypy" --config-file "$root/pyproject.toml" --exclude tests/cluster "$root/tests"
"$root/.venv/test/bin/pytest" --quiet --rootdir "$root" --config-file "$root/pyproject.toml" --ignore "$root/tests/cluster" \
    "$root/tests" "$@"
