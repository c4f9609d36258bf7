"""Computes with scikit-learn and scipy what package score must compute, and writes it to score/testdata.

sklearn.json has one line for each set of samples, and paired.json has the bootstrap of a difference.

    python3 -m venv /tmp/score && /tmp/score/bin/pip install -r hack/reference/requirements-score.txt
    /tmp/score/bin/python hack/reference/make_score_goldens.py
"""

import json
import pathlib

import numpy as np
from scipy import optimize, special
from sklearn import calibration, linear_model, metrics

OUT = pathlib.Path(__file__).parents[2] / "score" / "testdata"
BINS = 15  # Guo et al.
COLDEST, HOTTEST = 0.1, 10


def scores_of(rng, labels, distance, digits):
    """Returns logits whose two classes are this far apart. With few digits there are ties."""
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
    yield "a defect alone", np.array([1]), np.array([0.3])
    yield "one of each", np.array([1, 0]), np.array([0.25, -0.5])
    yield "one of each, tied", np.array([1, 0]), np.array([-1.5, -1.5])
    yield "one score for all, and not 0", np.array([1, 0, 0, 1, 0, 0, 0, 0]), np.full(8, 1.5)
    yield "probabilities of 0 and 1", np.array([0, 1, 1, 0]), np.array([-800.0, 800.0, 750.0, -750.0])
    labels, scores = drawn(120, 0.3, 2.0, 1)
    yield "four times too sure", labels, 4 * scores


def reliability(labels, probability):
    """Returns the bins ((m-1)/M, m/M] of Guo et al. and the expected calibration error.

    calibration_curve has the same bins, but leaves out empty ones and does not count the samples.
    """
    share, predicted = calibration.calibration_curve(labels, probability, n_bins=BINS)
    index = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], probability)
    filled, count = np.unique(index, return_counts=True)
    bins = [
        {"index": int(i), "samples": int(n), "probability": p, "share": s}
        for i, n, p, s in zip(filled, count, predicted, share, strict=True)
    ]
    return bins, float(np.sum(count * np.abs(share - predicted)) / len(labels))


def temperature(labels, scores):
    """Returns the temperature T of Guo et al.: the root of the loss's slope in 1/T.

    If there are both classes, 1/T must also be the only weight of a logistic regression.
    """

    def slope(inverse):
        return np.mean((special.expit(inverse * scores) - labels) * scores)

    if not scores.any():
        return 1.0  # all T give the same loss
    if slope(1 / HOTTEST) >= 0:
        return float(HOTTEST)
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    inverse = optimize.brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-15, rtol=1e-14)
    if len(set(labels)) == 2:
        model = linear_model.LogisticRegression(penalty=None, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
        np.testing.assert_allclose(model.fit(scores[:, None], labels).coef_[0, 0], inverse, rtol=1e-7)
    return 1 / inverse


def answers(labels, scores, weights):
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    both = len(set(labels)) == 2
    probability = special.expit(scores)
    bins, error = reliability(labels, probability)
    return {
        "averagePrecision": metrics.average_precision_score(labels, scores),
        "trapezoid": metrics.auc(recall, precision),
        "bestF1": f1.max(),
        "logLoss": metrics.log_loss(labels, probability) if both else None,
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
        "curve": [  # from the highest threshold down, without scikit-learn's last point (1, 0), which has no threshold
            {"threshold": t, "precision": p, "recall": r}
            for t, p, r in zip(thresholds[::-1], precision[-2::-1], recall[-2::-1], strict=True)
        ]
        if len(thresholds) <= 50
        else None,
        "recallAt": [{"precision": p, "recall": recall[precision >= p].max()} for p in (0.0, 0.5, 0.8, 0.9, 1.0)],
        "rocAUC": metrics.roc_auc_score(labels, scores) if both else None,
        "brier": metrics.brier_score_loss(labels, probability, pos_label=1),
        "f1AtHalf": metrics.f1_score(labels, probability >= 0.5, zero_division=0),
        "calibrationError": error,
        "reliability": bins,
        "temperature": temperature(labels, scores),
    }


def paired():
    """Returns two scorings of 12 packages of 15 samples, and the 95 % interval of their difference by numpy's draws."""
    rng = np.random.default_rng(12)
    package = np.repeat(np.arange(12), 15)
    labels = (rng.random(len(package)) < 0.2).astype(int)
    signal = labels + rng.normal(0, 0.6, len(package)) + rng.normal(0, 0.3, 12)[package]
    a = np.round(2 * signal + rng.normal(0, 0.5, len(package)), 2)
    b = np.round(2 * signal + rng.normal(0, 1.5, len(package)), 2)

    def difference(weights=None):
        first, second = (metrics.average_precision_score(labels, s, sample_weight=weights) for s in (a, b))
        return first - second

    draws = []
    for _ in range(8000):
        count = np.bincount(rng.integers(0, 12, 12), minlength=12)[package]
        if count @ labels > 0:
            draws.append(difference(count))
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "packages": package.tolist(),
        "labels": labels.tolist(),
        "a": a.tolist(),
        "b": b.tolist(),
        "value": difference(),
        "low": low,
        "high": high,
    }


def main():
    rng = np.random.default_rng(7)
    out = []
    for name, labels, scores in cases():
        weights = rng.integers(0, 4, len(labels))
        weights[np.flatnonzero(labels)[0]] = 2  # so that at least one defect has a weight
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
    OUT.mkdir(exist_ok=True)
    (OUT / "sklearn.json").write_text(f"[\n{text}\n]\n")
    (OUT / "paired.json").write_text(json.dumps(paired()) + "\n")


if __name__ == "__main__":
    main()
