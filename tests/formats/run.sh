#!/bin/sh
# Compares exported files in the programs that they are for with giemsa: installs the programs into .formats/, draws 500 cells,
# trains and exports models, and compares the probabilities.
#
#   FORMATS_VENV=...  a Python environment with the packages of requirements.txt; nothing is installed
#   OUT=...           folder for the cells, the models and the exported files [target/formats]
set -eu
cd "$(dirname "$0")/../.."
here=tests/formats
out=${OUT:-target/formats}
venv=${FORMATS_VENV:-.formats}

if [ -z "${FORMATS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r $here/requirements.txt
fi
python=$venv/bin/python
cargo build --release --quiet
giemsa=target/release/giemsa

# The demonstration draws cells and trains the recipe `compact`; the recipe `keras-tutorial` has even kernels and a flattened
# image.
rm -rf "$out"
mkdir -p "$out"
$giemsa demo "$out/demo" --images 500 --epochs 1
cells=$out/demo/cells
$giemsa train "$cells" --recipe keras-tutorial --epochs 1 --out "$out/tutorial"
tutorial=$out/tutorial/model.safetensors

# ONNX, in ONNX Runtime and OpenVINO. The tests of the library compare with rten.
$giemsa export builtin --to onnx --out "$out/builtin.onnx"
$giemsa export "$tutorial" --to onnx --out "$out/tutorial.onnx"
$python $here/check_onnx.py $giemsa "$cells" "builtin=$out/builtin.onnx" "$tutorial=$out/tutorial.onnx"

# Other formats: add their export and their check here.
