#!/bin/sh
# Times the same work in giemsa and in other frameworks: installs the frameworks into .peers/, runs all of them in turn,
# and prints a table with the ratios.
#
#   DATA=...        folder with Parasitized/ and Uninfected/ [../shared/data/cell_images]; if it does not exist, only work
#                   in memory is timed
#   PEERS="..."     any of keras, onnxruntime, openvino, pytorch [all but pytorch, a download of 5 GB]
#   PEERS_VENV=...  a Python environment with the frameworks; nothing is installed
#   ROUNDS, EPOCHS  [3, 10]
#   OUT=...         folder for the table and for all measurements [target/peers]
set -eu
cd "$(dirname "$0")/../.."
here=benches/peers
PEERS=${PEERS-keras onnxruntime openvino}
venv=${PEERS_VENV:-.peers}

package() {
    case $1 in
    keras) echo keras tensorflow-cpu scipy pillow ;;
    onnxruntime) echo onnxruntime onnx pillow ;;
    openvino) echo openvino onnx pillow ;;
    pytorch) echo torch ;;
    *) echo "no such peer: $1" >&2 && exit 2 ;;
    esac
}

# Prints the pinned versions of the packages of a peer.
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
case " $PEERS " in *" pytorch "*) ;; *) echo "skipped: pytorch, a download of 5 GB (PEERS=\"$PEERS pytorch\" includes it)" >&2 ;; esac

cargo build --release --quiet
exec python3 $here/compare.py "$venv/bin/python" $installed
