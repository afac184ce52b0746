"""Runs giemsa and the installed peers in turn, several rounds, and prints a table of medians and ratios.

usage: compare.py PYTHON PEER ...
PYTHON has the peers. Settings come from the environment: see run.sh.
"""

import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
DATA = pathlib.Path(os.environ.get("DATA", "../shared/data/cell_images"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
EPOCHS = os.environ.get("EPOCHS", "10")
OUT = pathlib.Path(os.environ.get("OUT", "target/peers"))
GIEMSA = os.environ.get("GIEMSA", "target/release/giemsa")
OURS = "giemsa"

# (row, who) to what was measured in each round; a row is (work, unit).
Figures = dict[tuple[tuple[str, str], str], list[float]]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command):
    """Runs a command; gives its standard output, seconds from start to end, and peak memory in MB; None if it failed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        if process.returncode != 0:
            say(f"failed ({process.returncode}): {' '.join(map(str, command))}\n{errors.read()[-2000:]}")
            return None
        return out.read(), seconds, usage.ru_maxrss / 1024


def engine(figures, shares, python, peers):
    names = {"seed": "training step", "deep": "deeper network: training step", "predict": "inference"}
    row = lambda work, batch: (f"{names[work]}, batch {batch}", "ms")
    for turn in range(ROUNDS):
        for who in [OURS, *peers]:
            say(f"engine, round {turn + 1} of {ROUNDS}: {who}")
            if who != OURS:
                result = run([python, HERE / "engine.py", who])
                for line in result[0].splitlines() if result else []:
                    found = json.loads(line)
                    figures[row(found["work"], found["batch"]), found["peer"]].append(found["ms"])
            elif result := run([GIEMSA, "bench", "--json"]):
                report = json.loads(result[0])
                works = [("seed", report["train_step"]), ("deep", report["deep_step"])]
                for work, found in works + [("predict", found) for found in report["inference"]]:
                    figures[row(work, found["batch"]), OURS].append(found["ms"])
                    if "share_of_limit" in found:
                        shares[row(work, found["batch"])].append(found["share_of_limit"])
                peak = f"{report['peak_gflops']:.0f} GFLOP/s"
                shares["machine"] = [f"{report['instruction_set']}, {report['threads']} threads, peak {peak}"]


def training(figures, python, peers, folder):
    """One round: it takes minutes."""
    commands = {OURS: [GIEMSA, "train", DATA, "--recipe", "keras-tutorial", "--split-by", "image", "--epochs", EPOCHS, "--out", folder / "run"]}
    if "keras" in peers:
        commands["keras"] = [python, HERE / "train_recipe.py", DATA, EPOCHS]
    for who, command in commands.items():
        say(f"training, {EPOCHS} epochs: {who}")
        if result := run(command):
            figures[(f"training, folder to model, {EPOCHS} epochs", "s"), who].append(result[1])
            figures[("peak memory, training", "MB"), who].append(result[2])


def prediction(figures, python, peers, folder):
    images = sorted(DATA.rglob("*.png"))
    model = folder / "run" / "model.safetensors"
    works = {f"predict a folder of {len(images)} PNG": (DATA, ROUNDS), "one PNG": (images[0], 3 * ROUNDS)}
    theirs = {"keras": folder / "seed.keras", "onnxruntime": folder / "seed.onnx"}
    theirs = {peer: path for peer, path in theirs.items() if peer in peers and run([python, HERE / "predict.py", "write", peer, path])}
    for work, (path, rounds) in works.items():
        for turn in range(rounds):
            say(f"{work}, round {turn + 1} of {rounds}")
            # One image is named by the model in the program, which is larger than the seed's network.
            chosen = ["--model", model] if path == DATA else []
            commands = {OURS: [GIEMSA, "predict", *chosen, path, "--format", "csv"]}
            commands |= {peer: [python, HERE / "predict.py", peer, theirs[peer], path] for peer in theirs}
            for who, command in commands.items():
                if result := run(command):
                    figures[(work, "s"), who].append(result[1])


def table(figures, shares):
    lines = [f"Medians of {ROUNDS} rounds, taken in turn. {' '.join(shares.pop('machine', []))}", ""]
    lines += ["| work | giemsa | share of limit | peer | the peer's | ratio |", "|---|---|---|---|---|---|"]
    medians = {key: statistics.median(values) for key, values in figures.items()}
    for row in dict.fromkeys(row for row, _ in figures):
        ours = medians.get((row, OURS))
        share = f"{statistics.median(shares[row]):.0%}" if shares.get(row) else ""
        for (other, who), theirs in medians.items():
            if other == row and who != OURS:
                ratio = f"{theirs / ours:.2f}x" if ours else ""
                cells = [row[0], show(ours, row[1]), share, who, show(theirs, row[1]), ratio]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def show(value, unit):
    return "failed" if value is None else f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def main(python, peers):
    figures, shares = collections.defaultdict(list), collections.defaultdict(list)
    OUT.mkdir(parents=True, exist_ok=True)
    say(f"load average {os.getloadavg()[0]:.1f}: other work on this machine spoils the figures")
    engine(figures, shares, python, peers)
    if DATA.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            training(figures, python, peers, pathlib.Path(folder))
            prediction(figures, python, peers, pathlib.Path(folder))
    else:
        say(f"skipped: training and prediction of files, for there is no {DATA}")
    every = [{"work": work, "unit": unit, "who": who, "values": values} for ((work, unit), who), values in figures.items()]
    (OUT / "figures.json").write_text(json.dumps(every, indent=1) + "\n")
    text = table(figures, shares)
    (OUT / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
