"""Metrics of reconstructions and of samples.

In: `NoteTable`s of windows. Out: reconstruction scores against the true notes; musical features of
each window `(W,)`, and how two sets of windows differ in them: overlap of distributions, a
classifier two-sample test, memorized windows, and trivial baselines for comparison.
`evaluation.comparison` puts them together.
"""
