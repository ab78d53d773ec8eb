"""States of the chord network for stated chords, and how often one follows another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.chords.vocabulary import QUALITIES, QUALITY_INDEX
from musicvae.harmony.decoding import relative_state
from musicvae.harmony.network import ESTIMATED, N_STATES, STATE_QUALITY

_SMOOTHING = 0.3


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


def count_transitions(examples: Iterable[Any]) -> dict[str, Floats]:
    """Return log-probabilities counted in examples with `state` and `strength`, each `(T,)`.

    `change`: of another chord at a beat of each strength `(3,)`; `next`: of quality and interval
    after a quality `(Q + 1, 12 * Q + 1)`, no chord last; `prior`: of each quality `(Q + 1,)`.
    """
    n_qualities = len(ESTIMATED)
    changes = np.full((3, 2), 1.0)
    following = np.full((n_qualities + 1, N_STATES), _SMOOTHING)
    prior = np.full(n_qualities + 1, 1.0)
    for example in examples:
        state, strength = example.state, example.strength
        known = (state[1:] >= 0) & (state[:-1] >= 0)
        before, after = state[:-1][known], state[1:][known]
        is_change = before != after
        np.add.at(changes, (strength[1:][known], is_change.astype(np.int64)), 1)
        np.add.at(following, relative_state(before[is_change], after[is_change]), 1)
        np.add.at(prior, np.minimum(state[state >= 0] % n_qualities, n_qualities), 1)
    return {
        "change": np.log(changes / changes.sum(1, keepdims=True)),
        "next": np.log(following / following.sum(1, keepdims=True)),
        "prior": np.log(prior / prior.sum()),
    }
