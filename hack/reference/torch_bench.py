"""Plumbline and PyTorch side by side, in turn, on this machine: what hack/bench-trainer.sh runs after it has built what is needed.

Ratios are taken run by run, so that a machine whose speed drifts does not show in them; each is told as its median over the repeats, with
the lowest and the highest. Above 1 Plumbline is faster. Standard library alone.
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
    parser.add_argument("--bench", required=True, help="the compiled tests of trainer/session")
    parser.add_argument("--trainer", required=True, help="plumbline-trainer")
    parser.add_argument("--plumb", required=True, help="plumb")
    parser.add_argument("--what", choices=["step", "epoch", "both"], default="both")
    parser.add_argument("--depths", type=int, nargs="+", default=[18, 50, 152])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="in a run")
    parser.add_argument("--batch", type=int, choices=[16, 32], default=16)
    parser.add_argument("--side", type=int, default=224, help="of the images that steps are timed on")
    parser.add_argument("--epoch-side", type=int, default=224, help="... and whole epochs")
    parser.add_argument("--samples", type=int, default=240, help="in the data set of the whole epochs")
    parser.add_argument("--threads", type=int, default=2, help="of either side")
    o = parser.parse_args()
    print(f"{o.threads} threads of {os.cpu_count()} cores, batch {o.batch}, {o.repeats} repeats in turn; ratios: median (lowest to highest)")
    if o.what in ("step", "both"):
        steps(o)
    if o.what in ("epoch", "both"):
        with tempfile.TemporaryDirectory() as scratch:
            epochs(o, scratch)


def steps(o):
    """Training steps alone, on images in memory."""
    print(f"\nTraining step, {o.side}x{o.side}x6, float32: images a second and MiB of memory at most, then the ratio to PyTorch")
    print(f"{'depth':>5}  {'Plumbline':>16}  {'eager':>16}  {'compiled':>16}  {'to eager':>20}  {'to compiled':>20}")
    for depth in o.depths:
        runs = {"Plumbline": [], "eager": [], "compile": []}
        for mode in ("eager", "compile"):  # once, uncounted: compiled code is kept between runs
            torch_step(o, depth, mode, steps=1)
        for _ in range(o.repeats):
            runs["Plumbline"].append(plumbline_step(o, depth))
            for mode in ("eager", "compile"):
                runs[mode].append(torch_step(o, depth, mode, o.steps))
        speeds = {who: [speed for speed, _ in measured] for who, measured in runs.items()}
        cells = [f"{statistics.median(speeds[who]):.1f} / {max(mib for _, mib in measured):.0f}" for who, measured in runs.items()]
        print(f"{depth:>5}  " + "  ".join(f"{c:>16}" for c in cells) + "  " + "  ".join(f"{ratio(speeds['Plumbline'], speeds[m]):>20}" for m in ("eager", "compile")), flush=True)


def plumbline_step(o, depth):
    out = told(o.bench, "-test.run", "-", "-test.bench", f"Step/depth={depth}/batch={o.batch}$", "-test.benchtime", f"{o.steps}x", "-side", str(o.side), "-threads", str(o.threads))
    return float(re.search(r"([\d.e+]+) img/s", out)[1]), float(re.search(r"([\d.e+]+) peak-MiB", out)[1])


def torch_step(o, depth, mode, steps):
    said = json.loads(told(TORCH, "torch_step.py", "--depth", str(depth), "--batch", str(o.batch), "--side", str(o.side),
                           "--mode", mode, "--threads", str(o.threads), "--steps", str(steps)).splitlines()[-1])
    return said["imagesPerSecond"], said["peakMiB"]


def epochs(o, scratch):
    """One epoch of a program that starts with image files and ends with a validated network.

    Two measures of PyTorch: the whole program, and what is left of it without its start, from the data set's files to the end of the
    validation. Plumbline is always the whole program, with its checkpoints, its reports and the test fold's scores."""
    data, split, manifest = os.path.join(scratch, "erasers"), os.path.join(scratch, "split.json"), None
    told(o.plumb, "dataset", "synth", "--out", data, "--samples", str(o.samples), "--prevalence", "0.3", "--seed", "7")
    print(f"\nOne epoch from files through validation, {o.samples} samples at {o.epoch_side}x{o.epoch_side}x6: seconds and MiB at most, then the ratio to PyTorch")
    print(f"{'depth':>5}  {'Plumbline':>16}  {'PyTorch':>16}  {'its epoch':>10}  {'to the program':>20}  {'to its epoch':>20}")
    for depth in o.depths:
        ours, theirs, epochs_alone, peaks = [], [], [], [0, 0]
        for repeat in range(-1, o.repeats):  # the first is not counted: it warms the files, and makes the manifest
            out = os.path.join(scratch, f"d{depth}")
            shutil.rmtree(out, ignore_errors=True)
            seconds, _, peak = timed(o.trainer, "fit", "--data", data, "--depth", str(depth), "--out", out, "--epochs", "1", "--head-epochs", "0", "--batch-size",
                                     str(o.batch), "--image-size", str(o.epoch_side), "--threads", str(o.threads))
            if repeat < 0:
                manifest = folds(o, data, out, scratch, split, depth)
            program, said, torch_peak = timed(TORCH, "torch_train.py", "--data", data, "--manifest", manifest, "--split", split,
                                              "--threads", str(o.threads), "--workers", str(o.threads))
            if repeat >= 0:
                ours.append(seconds), theirs.append(program), epochs_alone.append(json.loads(said.splitlines()[-1])["seconds"])
                peaks = [max(peaks[0], peak), max(peaks[1], torch_peak)]
        faster = lambda other: ratio([1 / s for s in ours], [1 / s for s in other])
        median = statistics.median
        print(f"{depth:>5}  {f'{median(ours):.1f} / {peaks[0]:.0f}':>16}  {f'{median(theirs):.1f} / {peaks[1]:.0f}':>16}  {median(epochs_alone):>10.1f}"
              f"  {faster(theirs):>20}  {faster(epochs_alone):>20}", flush=True)
    print("Memory is that of the largest single process; the processes in which PyTorch decodes images are not added to it.")


def folds(o, data, out, scratch, split, depth):
    """Asks the checkpoint for its split, and keeps its manifest."""
    best = next(os.path.join(d, name) for d, names, _ in os.walk(out) for name in names if name.startswith("best-"))
    for fold in ("train", "validation", "test"):
        told(o.trainer, "evaluate", "--checkpoint", best, "--data", data, "--split", fold, "--out", os.path.join(scratch, "folds", fold))
    with open(split, "w") as f:
        f.write(told(sys.executable, os.path.join(HERE, "torch_split.py"), os.path.join(scratch, "folds")))
    return shutil.copy(os.path.join(best, "manifest.json"), os.path.join(scratch, f"manifest-{depth}.json"))


def ratio(a, b):
    each = [x / y for x, y in zip(a, b)]
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def told(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(*command):
    """Seconds, output, and MiB of the largest process."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        out.seek(0)
        said = out.read()
    if status:
        raise SystemExit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}\n{said}")
    return seconds, said, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
