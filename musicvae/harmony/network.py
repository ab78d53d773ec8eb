"""Chord network: a small perceptron that hears each beat from each of its six likeliest roots.

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
from musicvae.chords.vocabulary import QUALITY_INDEX
from musicvae.harmony.features import BASS, COVERAGE, NEARBY

ESTIMATED = (
    *("maj", "min", "7", "maj7", "min7", "maj6", "min6", "dim", "dim7", "hdim7", "aug"),
    *("sus4", "sus2", "sus4(b7)", "minmaj7", "aug(b7)", "maj(9)", "min(9)", "9", "maj9", "min9"),
)
"""Harte labels of the qualities that are found."""
N_STATES = 12 * len(ESTIMATED) + 1
"""States: root times `ESTIMATED` plus quality; the last one is no chord."""
STATE_QUALITY = np.array([QUALITY_INDEX[name] for name in ESTIMATED])
"""Index in the vocabulary of each quality of `ESTIMATED`."""
N_ROOTS = 6
"""Roots that are heard at each beat, of twelve."""
_UNLIKELY = -30.0
_BLOCK_BEATS = 1024
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
    blocks = [slice(begin, begin + _BLOCK_BEATS) for begin in range(0, len(shared), _BLOCK_BEATS)]
    found = [_predict_block(rotated[block], shared[block], weights) for block in blocks]
    return np.concatenate([np.zeros((0, N_STATES)), *found])


def _predict_block(rotated: Floats32, shared: Floats32, weights: Weights) -> Floats:
    """Return `predict` of a few beats, whose hidden units all are in memory."""
    T, C, _ = rotated.shape
    roots = _likely_roots(rotated)
    rows = np.arange(T)[:, None, None]
    turned = rotated.transpose(0, 2, 1)[rows, _ROTATION[roots]]  # (T, roots, 12, C)
    inputs = turned.reshape(T, N_ROOTS, 12 * C)
    first = weights["in.w"].reshape(C, 12, -1).transpose(1, 0, 2).reshape(12 * C, -1)
    hidden = inputs @ first + (shared @ weights["shared.w"] + weights["in.b"])[:, None]
    hidden = np.maximum(hidden, 0) @ weights["middle.w"] + weights["middle.b"]
    scores = np.maximum(hidden, 0) @ weights["out.w"] + weights["out.b"]
    logits = np.full((T, 12, len(ESTIMATED)), _UNLIKELY)
    logits[rows[..., 0], roots] = scores
    none = shared @ weights["none.w"] + weights["none.b"]
    found = np.concatenate([logits.reshape(T, -1), none], axis=1)
    found -= found.max(1, keepdims=True)
    return found - np.log(np.exp(found).sum(1, keepdims=True))


def _likely_roots(rotated: Floats32) -> Ints:
    """Return the roots `(T, N_ROOTS)` on which some chord may be: their own tones sound nearby."""
    sounds = rotated[:, COVERAGE] + 0.5 * rotated[:, list(NEARBY)].sum(1)
    third = np.maximum(np.roll(sounds, -3, 1), np.roll(sounds, -4, 1))
    fifth = np.roll(sounds, -7, 1)
    salience = sounds + 0.8 * third + 0.8 * fifth + 0.5 * rotated[:, BASS]
    return np.argpartition(salience, -N_ROOTS, axis=1)[:, -N_ROOTS:]
