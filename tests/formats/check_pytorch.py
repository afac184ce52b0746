"""Loads exported state dicts in PyTorch, compares the probabilities, trains on, and imports the result.

    python check_pytorch.py GIEMSA CELLS MODEL WORK

GIEMSA is the program, CELLS a folder of drawn cells, MODEL a trained model of the recipe keras-tutorial, WORK a new folder.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from cells import check, predict, read, write_resized


def load(giemsa: str, model: str, work: Path) -> tuple[dict, torch.nn.Module]:
    """Exports a model, and returns its module with the names of the module's file."""
    file = work / "pytorch.safetensors"
    command = [giemsa, "export", model, "--to", "safetensors-pytorch", "--out", file, "--force", "--print-module"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names: dict = {}
    exec(compile(text, "network.py", "exec"), names)
    network = names["Network"]()
    network.load_state_dict(load_file(file), strict=True)
    return names, network.eval()


def probabilities(names: dict, network: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return names["probability_parasitized"](network(images)).numpy()


def main(giemsa: str, cells: str, tutorial: str, work: str) -> None:
    work = Path(work)
    for name, model, side in [("compact", "builtin", 64), ("keras-tutorial", tutorial, 50)]:
        paths = write_resized(Path(cells), work / f"cells-{side}", side)
        images = torch.from_numpy(read(paths)).permute(0, 3, 1, 2).float() / 255
        names, network = load(giemsa, model, work)
        check(f"{name}, PyTorch {torch.__version__}", predict(giemsa, model, paths), probabilities(names, network, images))

        # One step of training, and back.
        network.train()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.001)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(images[:64])[:, 0], torch.arange(64.0) % 2)
        loss.backward()
        optimizer.step()
        network.eval()
        save_file(network.state_dict(), work / "trained.safetensors")
        imported = str(work / f"{name}.safetensors")
        command = [giemsa, "import", work / "trained.safetensors", "--recipe", name, "--out", imported, "--force"]
        subprocess.run(command, check=True, capture_output=True)
        names["probability_parasitized"].__globals__["TEMPERATURE"] = 1.0
        found = probabilities(names, network, images)
        check(f"{name}, trained in PyTorch and imported", predict(giemsa, imported, paths), found)


if __name__ == "__main__":
    main(*sys.argv[1:])
