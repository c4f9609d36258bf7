"""Prints the folds of a split, for torch_train.py: {"train": [ids], "validation": [ids], "test": [ids]}.

    for fold in train validation test; do
        plumbline-trainer evaluate --checkpoint DIR --data erasers --split $fold --out folds/$fold
    done
    python3 hack/reference/torch_split.py folds > split.json

This program needs only the standard library.
"""

import csv
import json
import os
import sys

split = {}
for fold in ("train", "validation", "test"):
    with open(os.path.join(sys.argv[1], fold, "predictions.csv"), newline="") as f:
        split[fold] = [row["id"] for row in csv.DictReader(f)]
json.dump(split, sys.stdout)
