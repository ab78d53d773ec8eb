"""The likeliest sequence of chords, and how likely each chord of it is, under a Markov model.

A chord lasts or changes at each beat, more often on strong ones; which chord follows which depends
on the interval of their roots and on their qualities. At a beat only those states are
considered that are likely there or around it.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.harmony.network import ESTIMATED, N_STATES, Weights

_N_OWN, _N_AROUND = 4, 5  # states that are considered at a beat: likely there, and around it
_REACH = 2  # beats around
_FLOOR = -9.0  # log-probability below which a state is as unlikely as any
_Q = len(ESTIMATED)
_EMISSION_SCALE = 0.7
_TRANSITION_SCALE = 0.35
_PRIOR_SCALE = 0.3


def relative_state(before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Return the quality of `before`, and the state of `after` if the root of `before` were C.

    They index the transitions `next` of the weights.
    """
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
    states, is_new = _candidates(log_probs)
    rows = np.arange(T)[:, None]
    prior = weights["prior"][np.where(states == N_STATES - 1, _Q, states % _Q)] * _PRIOR_SCALE
    emission = np.where(is_new, (log_probs[rows, states] - prior) * _EMISSION_SCALE, -1e9)
    before, after = states[:-1, :, None], states[1:, None, :]
    change = weights["change"].astype(np.float64)[strength[1:], :, None, None]
    moves = weights["next"][relative_state(before, after)] * _TRANSITION_SCALE
    steps = np.where(before == after, change[:, 0], change[:, 1] + moves)
    path = _viterbi(emission, steps)
    return states[rows[:, 0], path], _posterior(emission, steps)[rows[:, 0], path]


def _candidates(log_probs: Floats) -> tuple[Ints, Bools]:
    """Return the states that are considered at each beat `(T, K)`, and which are no repetitions.

    The likeliest ones of the beat and of the beats around it, and no chord.
    """
    floored = np.maximum(log_probs, _FLOOR)
    padded = np.pad(floored, ((_REACH, _REACH), (0, 0)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, N_STATES)), padded]), axis=0)
    around = total[2 * _REACH + 1 :] - total[: -2 * _REACH - 1]
    found = np.concatenate(
        [
            np.argpartition(floored, -_N_OWN, axis=1)[:, -_N_OWN:],
            np.argpartition(around, -_N_AROUND, axis=1)[:, -_N_AROUND:],
            np.full((len(log_probs), 1), N_STATES - 1),
        ],
        axis=1,
    )
    found.sort(axis=1)
    is_new = np.ones(found.shape, bool)
    is_new[:, 1:] = found[:, 1:] != found[:, :-1]
    return found, is_new


def _viterbi(emission: Floats, steps: Floats) -> Ints:
    """Return the best path of columns; `steps` `(T - 1, K, K)` lead from rows to columns."""
    T, K = emission.shape
    score, back, columns = emission[0], np.zeros((T, K), np.int64), np.arange(K)
    for t in range(1, T):
        total = score[:, None] + steps[t - 1]
        back[t] = total.argmax(0)
        score = total[back[t], columns] + emission[t]
    path = [int(score.argmax())]
    for row in back[:0:-1].tolist():
        path.append(row[path[-1]])
    return np.array(path[::-1])


def _posterior(emission: Floats, steps: Floats) -> Floats:
    """Return the posterior of each state at each beat, by a forward and a backward pass."""
    likelihood = np.exp(emission - emission.max(1, keepdims=True))
    matrices = np.exp(steps) * likelihood[1:, None]
    forward, backward = np.empty_like(likelihood), np.ones_like(likelihood)
    forward[0] = likelihood[0]
    for t in range(1, len(emission)):
        row = forward[t - 1] @ matrices[t - 1]
        forward[t] = row / row.sum()
    for t in range(len(emission) - 2, -1, -1):
        row = matrices[t] @ backward[t + 1]
        backward[t] = row / row.sum()
    found = forward * backward
    return found / found.sum(1, keepdims=True)
