"""Runs giemsa and the installed peers in turn, several rounds, and prints a table of medians and ratios.

usage: compare.py PYTHON PEER ...
PYTHON is a Python interpreter with the peers installed. `run.sh` documents the settings, which are environment variables.
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

# Maps (row, program) to the values of all rounds; a row is (work, unit).
Values = dict[tuple[tuple[str, str], str], list[float]]


def log(text):
    print(text, file=sys.stderr, flush=True)


def run(command):
    """Runs a command. Returns its standard output, its duration in s and its peak memory in MB; None if it failed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        if process.returncode != 0:
            log(f"failed ({process.returncode}): {' '.join(map(str, command))}\n{errors.read()[-2000:]}")
            return None
        return out.read(), seconds, usage.ru_maxrss / 1024


def engine_row(network, work, batch):
    return f"{network}: {'training step' if work == 'step' else 'inference'}, batch {batch}", "ms"


def measurements_of(report):
    """Yields network, work and measurement from the output of `giemsa bench --json`."""
    for network, part in [("keras-tutorial", report), ("compact", report.get("compact", {}))]:
        if "train_step" in part:
            yield network, "step", part["train_step"]
        for measurement in part.get("inference", []):
            yield network, "predict", measurement


def engine(values, fractions, python, peers, compact):
    for turn in range(ROUNDS):
        for who in [OURS, *peers]:
            log(f"engine, round {turn + 1} of {ROUNDS}: {who}")
            if who != OURS:
                result = run([python, HERE / "engine.py", who, compact])
                for line in result[0].splitlines() if result else []:
                    found = json.loads(line)
                    row = engine_row(found["network"], found["work"], found["batch"])
                    values[row, found["peer"]].append(found["ms"])
            elif result := run([GIEMSA, "bench", "--json"]):
                report = json.loads(result[0])
                for network, work, found in measurements_of(report):
                    row = engine_row(network, work, found["batch"])
                    values[row, OURS].append(found["ms"])
                    fractions[row].append(found["fraction_of_limit"])
                peak = f"{report['peak_gflops']:.0f} GFLOP/s"
                fractions["machine"] = [f"{report['instruction_set']}, {report['threads']} threads, peak {peak}"]


def training(values, python, peers, folder):
    """Trains once in each program, since it takes minutes."""
    recipe = ["--recipe", "keras-tutorial", "--split-by", "image", "--epochs", EPOCHS]
    commands = {OURS: [GIEMSA, "train", DATA, *recipe, "--out", folder / "run"]}
    if "keras" in peers:
        commands["keras"] = [python, HERE / "train_recipe.py", DATA, EPOCHS]
    for who, command in commands.items():
        log(f"training, {EPOCHS} epochs: {who}")
        if result := run(command):
            values[(f"keras-tutorial: training, folder to model, {EPOCHS} epochs", "s"), who].append(result[1])
            values[("keras-tutorial: peak memory of training", "MB"), who].append(result[2])


def prediction(values, python, peers, folder, compact):
    images = sorted(DATA.rglob("*.png"))
    tutorial = ["--model", folder / "run" / "model.safetensors"]
    # Without --model, giemsa predicts with the built-in model, whose recipe is compact.
    every = f"predict a folder of {len(images)} PNG files"
    works = [("keras-tutorial", tutorial, every, DATA, ROUNDS), ("compact", [], every, DATA, ROUNDS)]
    works += [("compact", [], "predict one PNG file", images[0], 3 * ROUNDS)]
    for network, model, work, path, rounds in works:
        commands = {OURS: [GIEMSA, "predict", *model, path, "--format", "csv"]}
        for peer in [peer for peer in ("keras", "onnxruntime", "openvino") if peer in peers]:
            suffix = "keras" if peer == "keras" else "onnx"
            file = folder / f"{network}.{suffix}"
            if file == compact or run([python, HERE / "predict.py", "write", peer, network, file]):
                commands[peer] = [python, HERE / "predict.py", peer, file, path]
        for turn in range(rounds):
            log(f"{network}: {work}, round {turn + 1} of {rounds}")
            for who, command in commands.items():
                if result := run(command):
                    values[(f"{network}: {work}", "s"), who].append(result[1])


def table(values, fractions):
    lines = [f"Medians of {ROUNDS} rounds, with the programs run in turn. {' '.join(fractions.pop('machine', []))}", ""]
    lines += ["| work | giemsa | fraction of the limit | peer | time or memory of the peer | ratio |", "|---|---|---|---|---|---|"]
    medians = {key: statistics.median(numbers) for key, numbers in values.items()}
    for row in dict.fromkeys(row for row, _ in values):
        ours = medians.get((row, OURS))
        fraction = f"{statistics.median(fractions[row]):.0%}" if fractions.get(row) else ""
        theirs = {who: median for (other, who), median in medians.items() if other == row and who != OURS}
        for who, median in (theirs or {"": None}).items():
            ratio = f"{median / ours:.2f}x" if ours and median else ""
            cells = [row[0], show(ours, row[1]), fraction, who, show(median, row[1]) if who else "", ratio]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def show(value, unit):
    return "not measured" if value is None else f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def main(python, peers):
    values, fractions = collections.defaultdict(list), collections.defaultdict(list)
    OUT.mkdir(parents=True, exist_ok=True)
    log(f"load average {os.getloadavg()[0]:.1f}: other work on this machine distorts the measurements")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        compact = folder / "compact.onnx"
        if not run([GIEMSA, "export", "builtin", "--to", "onnx", "--out", compact]):
            sys.exit("the built-in model could not be exported")
        engine(values, fractions, python, peers, compact)
        if DATA.is_dir():
            training(values, python, peers, folder)
            prediction(values, python, peers, folder, compact)
        else:
            log(f"skipped: training and prediction of files, because {DATA} does not exist")
    every = [{"work": work, "unit": unit, "who": who, "values": numbers} for ((work, unit), who), numbers in values.items()]
    (OUT / "measurements.json").write_text(json.dumps(every, indent=1) + "\n")
    text = table(values, fractions)
    (OUT / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
