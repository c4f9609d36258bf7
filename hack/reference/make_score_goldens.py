"""Asks scikit-learn what the trainer's score package must answer, and writes it down as trainer/score/testdata/sklearn.json.

    python3 -m venv /tmp/score && /tmp/score/bin/pip install -r hack/reference/requirements-score.txt
    /tmp/score/bin/python hack/reference/make_score_goldens.py
"""

import json
import pathlib

import numpy as np
from sklearn import metrics

OUT = pathlib.Path(__file__).parents[2] / "trainer" / "score" / "testdata" / "sklearn.json"


def scores_of(rng, labels, distance, digits):
    """Logits whose two classes are this far apart; few digits make ties."""
    return np.round(rng.normal(0, 1, len(labels)) + distance * labels - 1, digits)


def cases():
    rng = np.random.default_rng(20241124)

    def drawn(n, prevalence, distance, digits):
        labels = (rng.random(n) < prevalence).astype(int)
        labels[0] = 1
        return labels, scores_of(rng, labels, distance, digits)

    yield "scikit-learn's own example", np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    yield "perfect order", np.array([0, 0, 1, 1]), np.array([-2.0, -1.0, 1.0, 2.0])
    yield "reversed order", np.array([1, 1, 0, 0]), np.array([-2.0, -1.0, 1.0, 2.0])
    yield "one score for all", np.array([0, 1, 0, 1, 0]), np.zeros(5)
    yield "the only defect comes last", np.array([0, 0, 0, 1]), np.array([3.0, 2.0, 1.0, 0.0])
    yield "nothing but defects", np.array([1, 1, 1]), np.array([0.5, -0.5, 0.0])
    yield "rare and hard", *drawn(276, 0.1, 1.0, 6)
    yield "common and easy", *drawn(96, 0.3, 2.5, 6)
    yield "many ties", *drawn(150, 0.2, 1.0, 0)
    yield "no signal", *drawn(200, 0.12, 0.0, 1)


def answers(labels, scores, weights):
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    both = len(set(labels)) == 2
    return {
        "averagePrecision": metrics.average_precision_score(labels, scores),
        "trapezoid": metrics.auc(recall, precision),
        "bestF1": f1.max(),
        "logLoss": metrics.log_loss(labels, 1 / (1 + np.exp(-scores))) if both else None,
        "weightedAveragePrecision": metrics.average_precision_score(labels, scores, sample_weight=weights),
        "at": [
            {
                "threshold": t,
                "precision": metrics.precision_score(labels, scores >= t, zero_division=0),
                "recall": metrics.recall_score(labels, scores >= t, zero_division=0),
                "f1": metrics.f1_score(labels, scores >= t, zero_division=0),
            }
            for t in (-1.0, 0.0, 0.37, 9.0)
        ],
    }


def main():
    rng = np.random.default_rng(7)
    out = []
    for name, labels, scores in cases():
        weights = rng.integers(0, 4, len(labels))
        weights[np.flatnonzero(labels)[0]] = 2  # at least one defect counts
        out.append(
            {
                "name": name,
                "labels": labels.tolist(),
                "scores": scores.tolist(),
                "weights": weights.tolist(),
                **answers(labels, scores, weights),
            }
        )
    text = ",\n".join(json.dumps(case) for case in out)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
