"""Classifier two-sample test: can two sets of windows be distinguished by their features?

Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests".
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints

_N_FOLDS = 5


def classifier_two_sample_auc(
    a: Floats, b: Floats, songs_a: Ints, songs_b: Ints, *, seed: int = 0
) -> float:
    """Return the cross-validated AUC of logistic regression on `a` `(n, F)` against `b` `(m, F)`.

    .5 means indistinguishable, 1 perfectly distinguishable. The mean over five folds by song: all
    windows of a number in `songs_a` `(n,)` and `songs_b` `(m,)` are in one fold. Features are
    standardized; missing values (nan) are imputed by the mean, with an indicator column. nan if no
    fold has windows of both sets on both sides, as with a single song.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, is_a = np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)
    names, song = np.unique(np.concatenate([songs_a, songs_b]), return_inverse=True)
    n_folds = min(_N_FOLDS, len(names))
    if n_folds < 2:
        return float("nan")
    fold = np.random.default_rng(seed).permutation(len(names)) % n_folds  # of each song
    model = make_pipeline(
        StandardScaler(),  # ignores nan; before imputation, so that indicators are not scaled
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        LogisticRegression(max_iter=1000),
    )
    aucs = []
    for train, test in GroupKFold(n_folds).split(features, groups=fold[song]):
        if len(np.unique(is_a[train])) == 2 == len(np.unique(is_a[test])):
            model.fit(features[train], is_a[train])
            aucs.append(roc_auc_score(is_a[test], model.decision_function(features[test])))
    return float(np.mean(aucs)) if aucs else float("nan")
