#!/bin/sh
# Compares exported and imported files with the programs that they are for: installs the programs into .formats/, draws cells,
# trains and exports models, and compares the probabilities.
#
#   FORMATS_VENV=...  a Python environment with the packages of requirements.txt; nothing is installed
#   OUT=...           folder for the cells, the models and the exported files [target/formats]
#
# PyTorch is a download of 5 GB. It takes part if it is in the environment: `.formats/bin/pip install torch==2.15.0`.
set -eu
cd "$(dirname "$0")/../.."
here=tests/formats
out=${OUT:-target/formats}
venv=${FORMATS_VENV:-.formats}

if [ -z "${FORMATS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement $here/requirements.txt
fi
python=$venv/bin/python
cargo build --release --quiet
giemsa=target/release/giemsa

# The recipe keras-tutorial has what compact lacks: even kernels and a flattened image. Its loss on so few cells stays where it
# starts for up to 15 epochs, and the probabilities of a network that learned nothing are too much alike to be compared.
rm -rf "$out"
mkdir -p "$out"
$giemsa demo "$out/demo" --images 1000 --epochs 1 --quiet
cells=$out/demo/cells
$giemsa train "$cells" --recipe keras-tutorial --epochs 30 --out "$out/tutorial" --quiet
tutorial=$out/tutorial/model.safetensors

$python $here/check_onnx.py $giemsa "$cells" "$tutorial" "$out"
$python $here/check_keras.py $giemsa "$cells"
if $python -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; then
    $python -W ignore $here/check_pytorch.py $giemsa "$cells" "$tutorial" "$out"
else
    echo "skipped: PyTorch is not in $venv"
fi
