#!/bin/sh
# The same work in giemsa and in other frameworks, alternating, with the ratios: installs the frameworks into .peers/,
# runs all, and prints a table.
#
#   DATA=...        folder with Parasitized/ and Uninfected/ [../shared/data/cell_images]; without it, only the engines
#   PEERS="..."     of keras, onnxruntime, openvino, pytorch; PyTorch brings 5 GB from PyPI and is left out by default
#   PEERS_VENV=...  an environment that has them already; nothing is installed then
#   ROUNDS, EPOCHS  [3, 10]
#   OUT=...         folder for every single figure [target/peers]
set -eu
cd "$(dirname "$0")/../.."
here=benches/peers
PEERS=${PEERS-keras onnxruntime openvino}
venv=${PEERS_VENV:-.peers}

package() {
    case $1 in
    keras) echo keras tensorflow-cpu scipy pillow ;;
    onnxruntime) echo onnxruntime onnx pillow ;;
    openvino) echo openvino onnx ;;
    pytorch) echo torch ;;
    *) echo "no such peer: $1" >&2 && exit 2 ;;
    esac
}

# Pinned versions of a peer's packages.
pinned() {
    for name in $(package "$1"); do grep "^$name==" $here/requirements.txt; done
}

installed=
if [ -z "${PEERS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
fi
for peer in $PEERS; do
    package "$peer" >/dev/null
    pins=$(pinned "$peer")
    if [ -n "${PEERS_VENV:-}" ]; then
        module=$(echo "$peer" | sed 's/pytorch/torch/')
        "$venv/bin/python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$module') is None)" && installed="$installed $peer" ||
            echo "skipped: $peer is not in $venv" >&2
    elif "$venv/bin/pip" install --quiet --disable-pip-version-check $pins numpy==2.4.6; then
        installed="$installed $peer"
    else
        echo "skipped: $peer could not be installed" >&2
    fi
done
case " $PEERS " in *" pytorch "*) ;; *) echo "skipped: pytorch, for its 5 GB (PEERS=\"$PEERS pytorch\" brings it in)" >&2 ;; esac

cargo build --release --quiet
exec python3 $here/compare.py "$venv/bin/python" $installed
