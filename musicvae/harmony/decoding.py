"""The likeliest sequence of chords, and how likely each chord of it is, under a Markov model.

A chord lasts or changes at each beat, more often on strong ones; which chord follows which depends
on the interval of their roots and on their qualities. Of the states only those are considered that
are among the likeliest of some beat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.harmony.network import ESTIMATED, N_STATES, Weights

_N_LIKELIEST = 4  # states of each beat that are considered
_Q = len(ESTIMATED)
_SMOOTHING = 0.3
_EMISSION_SCALE = 0.7
_TRANSITION_SCALE = 0.35
_PRIOR_SCALE = 0.3


def count_transitions(examples: Iterable[Any]) -> dict[str, Floats]:
    """Return log-probabilities counted in examples with `state` and `strength`, each `(T,)`.

    `change`: of another chord at a beat of each strength `(3,)`; `next`: of quality and interval
    after a quality `(Q + 1, 12 * Q + 1)`, no chord last; `prior`: of each quality `(Q + 1,)`.
    """
    changes = np.full((3, 2), 1.0)
    following = np.full((_Q + 1, N_STATES), _SMOOTHING)
    prior = np.full(_Q + 1, 1.0)
    for example in examples:
        state, strength = example.state, example.strength
        known = (state[1:] >= 0) & (state[:-1] >= 0)
        before, after = state[:-1][known], state[1:][known]
        is_change = before != after
        np.add.at(changes, (strength[1:][known], is_change.astype(np.int64)), 1)
        np.add.at(following, _relative(before[is_change], after[is_change]), 1)
        np.add.at(prior, np.minimum(state[state >= 0] % _Q, _Q), 1)
    return {
        "change": np.log(changes / changes.sum(1, keepdims=True)),
        "next": np.log(following / following.sum(1, keepdims=True)),
        "prior": np.log(prior / prior.sum()),
    }


def _relative(before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Return the quality of `before`, and the state of `after` if the root of `before` were C."""
    none = N_STATES - 1
    root = np.where(before == none, 0, before // _Q)
    quality = np.where(before == none, _Q, before % _Q)
    moved = (after // _Q - root) % 12 * _Q + after % _Q
    return quality, np.where(after == none, none, moved)


def decode(log_probs: Floats, strength: Ints, weights: Weights) -> tuple[Ints, Floats]:
    """Return the state of each beat and its posterior probability, both `(T,)`.

    `log_probs` is `(T, N_STATES)` from `network.predict`, `strength` that of the beats `(T,)`.
    """
    T = len(log_probs)
    if not T:
        return np.zeros(0, np.int64), np.zeros(0)
    likeliest = np.argpartition(log_probs, -_N_LIKELIEST, axis=1)[:, -_N_LIKELIEST:]
    states = np.union1d(likeliest, [N_STATES - 1])
    is_none = states == N_STATES - 1
    prior = weights["prior"][np.where(is_none, _Q, states % _Q)] * _PRIOR_SCALE
    emission = (log_probs[:, states] - prior) * _EMISSION_SCALE
    before, after = np.meshgrid(states, states, indexing="ij")
    moves = weights["next"][_relative(before, after)].astype(np.float64) * _TRANSITION_SCALE
    np.fill_diagonal(moves, -np.inf)
    change = weights["change"].astype(np.float64)
    steps = moves[None] + change[:, 1, None, None]
    diagonal = np.arange(len(states))
    steps[:, diagonal, diagonal] = change[:, 0, None]
    path = _viterbi(emission, steps, strength)
    return states[path], _posterior(emission, steps, strength)[np.arange(T), path]


def _viterbi(emission: Floats, steps: Floats, strength: Ints) -> Ints:
    """Return the best path; `steps` are by strength of the later beat, from row to column."""
    T, K = emission.shape
    score, back = emission[0], np.zeros((T, K), np.int64)
    columns = np.arange(K)
    for t in range(1, T):
        total = score[:, None] + steps[strength[t]]
        back[t] = total.argmax(0)
        score = total[back[t], columns] + emission[t]
    path = np.zeros(T, np.int64)
    path[-1] = score.argmax()
    for t in range(T - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def _posterior(emission: Floats, steps: Floats, strength: Ints) -> Floats:
    """Return the posterior of each state at each beat, by a forward and a backward pass."""
    likelihood = np.exp(emission - emission.max(1, keepdims=True))
    matrices = np.exp(steps)
    forward, backward = np.empty_like(likelihood), np.ones_like(likelihood)
    forward[0] = likelihood[0] / likelihood[0].sum()
    for t in range(1, len(emission)):
        row = forward[t - 1] @ matrices[strength[t]] * likelihood[t]
        forward[t] = row / row.sum()
    for t in range(len(emission) - 2, -1, -1):
        row = matrices[strength[t + 1]] @ (backward[t + 1] * likelihood[t + 1])
        backward[t] = row / row.sum()
    found = forward * backward
    return found / found.sum(1, keepdims=True)
