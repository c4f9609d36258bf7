"""Compares two ways of training: prints the difference of their average precisions with a paired bootstrap interval.

    python3 hack/reference/compare_ap.py --a A1/predictions.csv A2/predictions.csv \\
        --b B1/predictions.csv B2/predictions.csv

Each file holds predictions as `plumbline-trainer evaluate --out` or hack/reference/torch_train.py writes them (id,
package, probability, label). The files of one side are repeats with other seeds; the program averages their average
precisions. It draws packages with replacement, 2,000 times. Each draw is the same for all files, so that what the two
sides share cancels out. The files of one side may hold different sets of samples, such as validation and test, if the
other side holds the same sets. Average precision is defined as in scikit-learn, with ties grouped.

This program needs only the standard library.
"""

import argparse
import csv
import random


def read(path):
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    return {r["id"]: (r["package"], float(r["probability"]), r["label"] == "defect") for r in rows}


def average_precision(samples):
    """Returns the sum over distinct scores of (R_n - R_{n-1}) P_n. samples: (score, defect, weight)"""
    samples = sorted(samples, key=lambda s: -s[0])
    called = found = total = 0.0
    at = 0
    while at < len(samples):
        before, score = found, samples[at][0]
        while at < len(samples) and samples[at][0] == score:
            called += samples[at][2]
            found += samples[at][2] * samples[at][1]
            at += 1
        if found > before:
            total += (found - before) * found / called
    return total / found if found else None


def mean_ap(files, weight):
    """Returns the mean of the files' average precisions, or None if one is undefined. weight: by package, else 0"""
    values = [average_precision([(p, d, weight.get(g, 0)) for g, p, d in f.values()]) for f in files]
    return None if None in values else sum(values) / len(values)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--a", nargs="+", required=True, help="files of one side")
    parser.add_argument("--b", nargs="+", required=True, help="files of the other side")
    parser.add_argument("--draws", type=int, default=2000, help="number of draws; default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draws; default %(default)s")
    o = parser.parse_args()
    a, b = [read(p) for p in o.a], [read(p) for p in o.b]
    if sorted(map(sorted, {frozenset(f) for f in a})) != sorted(map(sorted, {frozenset(f) for f in b})):
        parser.error("the files of the two sides do not hold the same samples")
    packages = sorted({g for f in a for g, _, _ in f.values()})
    chance = random.Random(o.seed)
    one = dict.fromkeys(packages, 1)
    differences = []
    while len(differences) < o.draws:
        weight = {}
        for g in chance.choices(packages, k=len(packages)):
            weight[g] = weight.get(g, 0) + 1
        va, vb = mean_ap(a, weight), mean_ap(b, weight)
        if va is not None and vb is not None:
            differences.append(va - vb)
    differences.sort()
    low, high = differences[int(0.025 * o.draws)], differences[int(0.975 * o.draws)]
    va, vb = mean_ap(a, one), mean_ap(b, one)
    verdict = "within noise" if low <= 0 <= high else "beyond noise"
    print(
        f"AUC-PR  a {va:.4f} ({len(a)} files)  b {vb:.4f} ({len(b)} files)  a - b {va - vb:+.4f}, "
        f"95 % paired interval {low:+.4f} to {high:+.4f} ({len(packages)} packages): {verdict}"
    )
