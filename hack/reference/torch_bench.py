"""Times Plumbline and PyTorch in turn on this machine. hack/bench-trainer.sh builds the programs and runs this one.

The ratio of the two speeds is computed for each repeat, so that a machine whose speed drifts does not distort it. The
output has the median of the ratios, with the lowest and the highest. Above 1, Plumbline is faster.

This program needs only the standard library.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TORCH = os.path.join(HERE, "torch.sh")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    number = lambda name, default, about: parser.add_argument(
        name, type=int, default=default, help=f"{about}; default {default}"
    )
    parser.add_argument("--bench", required=True, help="path of the compiled tests of trainer/session")
    parser.add_argument("--trainer", required=True, help="path of plumbline-trainer")
    parser.add_argument("--plumb", required=True, help="path of plumb")
    parser.add_argument(
        "--what", choices=["step", "epoch", "both"], default="both", help="what to time; default: %(default)s"
    )
    parser.add_argument(
        "--depths", type=int, nargs="+", default=[18, 50, 152], help="depths of the ResNets; default 18 50 152"
    )
    number("--repeats", 5, "number of times that each program runs")
    number("--steps", 10, "number of training steps in a run")
    parser.add_argument("--batch", type=int, choices=[16, 32], default=16, help="batch size; default %(default)s")
    number("--side", 224, "width and height of the images of the training steps")
    number("--epoch-side", 224, "width and height of the images of the whole epochs")
    number("--samples", 240, "number of samples of the whole epochs")
    number("--threads", 2, "number of threads of each program")
    o = parser.parse_args()
    print(
        f"{o.threads} threads of {os.cpu_count()} cores, batch {o.batch}, {o.repeats} repeats in turn; "
        "ratios: median (lowest to highest)"
    )
    if o.what in ("step", "both"):
        steps(o)
    if o.what in ("epoch", "both"):
        with tempfile.TemporaryDirectory() as scratch:
            epochs(o, scratch)


def steps(o):
    """Times training steps alone, on images in memory."""
    print(
        f"\nTraining step, {o.side}x{o.side}x6, float32: images per second and largest memory in MiB, "
        "then the ratio to PyTorch"
    )
    print(f"{'depth':>5}  {'Plumbline':>16}  {'eager':>16}  {'compiled':>16}  {'to eager':>20}  {'to compiled':>20}")
    for depth in o.depths:
        runs = {"Plumbline": [], "eager": [], "compile": []}
        for mode in ("eager", "compile"):  # once, not counted: PyTorch keeps compiled code for the next runs
            torch_step(o, depth, mode, steps=1)
        for _ in range(o.repeats):
            runs["Plumbline"].append(plumbline_step(o, depth))
            for mode in ("eager", "compile"):
                runs[mode].append(torch_step(o, depth, mode, o.steps))
        speeds = {who: [speed for speed, _ in measured] for who, measured in runs.items()}
        cells = [
            f"{statistics.median(speeds[who]):.1f} / {max(mib for _, mib in measured):.0f}"
            for who, measured in runs.items()
        ]
        ratios = [ratio(speeds["Plumbline"], speeds[mode]) for mode in ("eager", "compile")]
        print("  ".join([f"{depth:>5}"] + [f"{c:>16}" for c in cells] + [f"{r:>20}" for r in ratios]), flush=True)


def plumbline_step(o, depth):
    """Returns images per second and the largest memory in MiB."""
    out = output_of(
        o.bench, "-test.run", "-", "-test.bench", f"Step/depth={depth}/batch={o.batch}$",
        "-test.benchtime", f"{o.steps}x", "-side", str(o.side), "-threads", str(o.threads),
    )  # fmt: skip
    return float(re.search(r"([\d.e+]+) img/s", out)[1]), float(re.search(r"([\d.e+]+) peak-MiB", out)[1])


def torch_step(o, depth, mode, steps):
    """Returns images per second and the largest memory in MiB."""
    out = output_of(
        TORCH, "torch_step.py", "--depth", str(depth), "--batch", str(o.batch), "--side", str(o.side),
        "--mode", mode, "--threads", str(o.threads), "--steps", str(steps),
    )  # fmt: skip
    result = json.loads(out.splitlines()[-1])
    return result["imagesPerSecond"], result["peakMiB"]


def epochs(o, scratch):
    """Times one epoch of a program that starts with image files and ends with a validated network.

    PyTorch has two measures: the whole program, and the program without its start, from reading the data set's files to
    the end of the validation. Plumbline is always the whole program, with its checkpoints, its reports and the test
    fold's scores.
    """
    data, split, manifest = os.path.join(scratch, "erasers"), os.path.join(scratch, "split.json"), None
    output_of(
        o.plumb, "dataset", "synth", "--out", data, "--samples", str(o.samples), "--prevalence", "0.3", "--seed", "7"
    )
    print(
        f"\nOne epoch from files through validation, {o.samples} samples at {o.epoch_side}x{o.epoch_side}x6: "
        "seconds and largest memory in MiB, then the ratio to PyTorch"
    )
    print(
        f"{'depth':>5}  {'Plumbline':>16}  {'PyTorch':>16}  {'its epoch':>10}  {'to the program':>20}  "
        f"{'to its epoch':>20}"
    )
    for depth in o.depths:
        ours, theirs, epochs_alone, peaks = [], [], [], [0, 0]
        for repeat in range(-1, o.repeats):  # -1 is not counted: it warms the file cache and makes the manifest
            out = os.path.join(scratch, f"d{depth}")
            shutil.rmtree(out, ignore_errors=True)
            seconds, _, peak = timed(
                o.trainer, "fit", "--data", data, "--depth", str(depth), "--out", out, "--epochs", "1",
                "--head-epochs", "0", "--batch-size", str(o.batch), "--image-size", str(o.epoch_side),
                "--threads", str(o.threads),
            )  # fmt: skip
            if repeat < 0:
                manifest = folds(o, data, out, scratch, split, depth)
            program, output, torch_peak = timed(
                TORCH, "torch_train.py", "--data", data, "--manifest", manifest, "--split", split,
                "--threads", str(o.threads), "--workers", str(o.threads),
            )  # fmt: skip
            if repeat >= 0:
                ours.append(seconds)
                theirs.append(program)
                epochs_alone.append(json.loads(output.splitlines()[-1])["seconds"])
                peaks = [max(peaks[0], peak), max(peaks[1], torch_peak)]
        faster = lambda other: ratio([1 / s for s in ours], [1 / s for s in other])
        plumbline = f"{statistics.median(ours):.1f} / {peaks[0]:.0f}"
        pytorch = f"{statistics.median(theirs):.1f} / {peaks[1]:.0f}"
        print(
            f"{depth:>5}  {plumbline:>16}  {pytorch:>16}  {statistics.median(epochs_alone):>10.1f}"
            f"  {faster(theirs):>20}  {faster(epochs_alone):>20}",
            flush=True,
        )
    print("Memory is that of the largest single process. PyTorch decodes images in other processes, not counted here.")


def folds(o, data, out, scratch, split, depth):
    """Writes the split of the trainer's best checkpoint to the file split, and returns a copy of its manifest."""
    best = next(os.path.join(d, name) for d, names, _ in os.walk(out) for name in names if name.startswith("best-"))
    for fold in ("train", "validation", "test"):
        to = os.path.join(scratch, "folds", fold)
        output_of(o.trainer, "evaluate", "--checkpoint", best, "--data", data, "--split", fold, "--out", to)
    with open(split, "w") as f:
        f.write(output_of(sys.executable, os.path.join(HERE, "torch_split.py"), os.path.join(scratch, "folds")))
    return shutil.copy(os.path.join(best, "manifest.json"), os.path.join(scratch, f"manifest-{depth}.json"))


def ratio(a, b):
    """Returns the ratios a/b of each repeat as text: median (lowest to highest)."""
    each = [x / y for x, y in zip(a, b)]
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def output_of(*command):
    """Runs a command and returns its standard output."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(*command):
    """Runs a command and returns its seconds, its output and the memory of its largest process in MiB."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        out.seek(0)
        output = out.read()
    if status:
        raise SystemExit(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}\n{output}")
    return seconds, output, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
