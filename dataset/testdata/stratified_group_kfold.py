# Writes stratified_group_kfold.json: the folds into which scikit-learn puts groups, so that a test can
# compare them with those of split.go. Needs scikit-learn (1.9.1 wrote the file):
#   python stratified_group_kfold.py > stratified_group_kfold.json
import json

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

# The groups have many sizes. Among groups of one size, the last bit of a sum decides in scikit-learn,
# where assignFolds takes the smaller fold.
random = np.random.default_rng(3)
cases = []
settings = [(3, 32, 15, 0.3), (3, 93, 15, 0.12), (5, 93, 15, 0.12), (4, 20, 9, 0.5), (2, 41, 30, 0.2)]
for folds, groups, largest, prevalence in settings:
    sizes = random.integers(max(1, largest // 2), largest + 1, groups)
    counts = [[int(n - d), int(d)] for n, d in ((n, random.binomial(n, prevalence)) for n in sizes)]
    group = np.repeat(np.arange(groups), sizes)
    label = np.concatenate([[0] * a + [1] * b for a, b in counts])
    where = np.zeros(groups, int)
    for fold, (_, test) in enumerate(StratifiedGroupKFold(folds).split(label, label, group)):
        where[group[test]] = fold
    cases.append({"folds": folds, "counts": counts, "where": where.tolist()})
print("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]")
