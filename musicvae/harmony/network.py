"""Chord network: a small perceptron that hears each beat from each of the twelve roots.

Features by pitch class are rotated to a root, so that what is learned of one root holds for all.
The output are scores of the qualities on that root, and one of no chord. Inference in numpy; the
weights are shipped beside this module, `chord_estimator.md` is their model card.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats, Floats32, Ints
from musicvae.chords.vocabulary import QUALITIES, QUALITY_INDEX

ESTIMATED = (
    *("maj", "min", "7", "maj7", "min7", "maj6", "min6", "dim", "dim7", "hdim7", "aug"),
    *("sus4", "sus2", "sus4(b7)", "minmaj7", "aug(b7)", "maj(9)", "min(9)", "9", "maj9", "min9"),
)
"""Harte labels of the qualities that are found."""
N_STATES = 12 * len(ESTIMATED) + 1
"""States: root times `ESTIMATED` plus quality; the last one is no chord."""
STATE_QUALITY = np.array([QUALITY_INDEX[name] for name in ESTIMATED])
"""Index in the vocabulary of each quality of `ESTIMATED`."""
_FILE = "chord_estimator.safetensors"
_ROTATION = (np.arange(12)[:, None] + np.arange(12)) % 12

Weights = dict[str, NDArray[Any]]


@cache
def load_weights() -> Weights:
    """Return the shipped weights by name, float32."""
    from safetensors.numpy import load

    content = (resources.files("musicvae.harmony") / _FILE).read_bytes()
    return {name: array.astype(np.float32) for name, array in load(content).items()}


def predict(rotated: Floats32, shared: Floats32, weights: Weights) -> Floats:
    """Return the log-probability of each state at each beat, `(T, N_STATES)`.

    `rotated` is `(T, C, 12)` by pitch class, `shared` `(T, F)`; see `features.beat_features`.
    """
    T = len(rotated)
    inputs = rotated[:, :, _ROTATION].transpose(0, 2, 1, 3).reshape(T, 12, -1)
    hidden = inputs @ weights["in.w"] + (shared @ weights["shared.w"] + weights["in.b"])[:, None]
    hidden = np.maximum(hidden, 0) @ weights["middle.w"] + weights["middle.b"]
    scores = np.maximum(hidden, 0) @ weights["out.w"] + weights["out.b"]
    none = shared @ weights["none.w"] + weights["none.b"]
    logits = np.concatenate([scores.reshape(T, -1), none], axis=1).astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


@cache
def _state_of_quality() -> Ints:
    """Return the index in `ESTIMATED` nearest to each quality of the vocabulary, -1 for none."""
    found = np.full(len(QUALITIES), -1, np.int64)
    for index, quality in enumerate(QUALITIES[1:], 1):
        distance = [len(quality.intervals ^ QUALITIES[q].intervals) for q in STATE_QUALITY]
        shared = [len(quality.intervals & QUALITIES[q].intervals) for q in STATE_QUALITY]
        found[index] = min(range(len(ESTIMATED)), key=lambda i: (distance[i], -shared[i], i))
    found[QUALITY_INDEX["5"]] = -1
    return found


def chord_states(root: Ints, quality: Ints) -> Ints:
    """Return the state of chords, -1 for those without one; roots are fifths above C."""
    kind = _state_of_quality()[quality]
    state = 7 * root % 12 * len(ESTIMATED) + kind
    return np.where(quality == 0, N_STATES - 1, np.where(kind < 0, -1, state))
