"""Statistics of rhythm: which position of a bar follows which, and how salient onsets are there.

A state is a position in a bar of one of a few meters, in twelfths of a quarter. The tables were
counted on simulated performances of scores (`experiments/downbeats/fit_rhythm.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from musicvae.arrays import Floats, Ints

STEPS_PER_QUARTER = 12
BAR_STEPS = {"4/4": 48, "2/4": 24, "3/4": 36, "6/8": 36, "3/8": 18}
COMPOUND = ("6/8", "3/8")
WITHIN_QUARTER = (0, 2, 3, 4, 6, 8, 9, 10)  # sixteenths, triplets and sextuplets
MAX_INTERVAL = 96  # steps between successive onsets
_MAX_SOURCES = 16  # of the transitions into a state
_FILE = "rhythm_model.safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class MeterModel:
    """Hidden states of one meter, S positions in its bar.

    Transitions are stored by their target, K of them: from state `source`, `interval` steps
    before, with log-probability `transition`. An interval of 0 keeps the position, for grace notes.
    """

    name: str
    bar_steps: int
    positions: Ints
    """In steps. `(S,)`"""
    source: Ints
    """`(S, K)`"""
    interval: Ints
    """`(S, K)`"""
    transition: Floats
    """`(S, K)`, -inf where a state has fewer transitions."""
    salience: Floats
    """Log-likelihood ratio of each class of each feature. `(S, F, classes)`"""
    log_period_mean: float
    """Of the duration of a quarter, in seconds."""
    log_period_std: float
    log_prior: float


def positions(meter: str) -> Ints:
    """Return the positions of a bar that are states. `(S,)`"""
    steps = np.arange(BAR_STEPS[meter])
    return steps[np.isin(steps % STEPS_PER_QUARTER, WITHIN_QUARTER)]


@cache
def load_rhythm_model() -> tuple[MeterModel, ...]:
    """Return the shipped tables, one for each meter."""
    from safetensors.numpy import load

    tensors = load((resources.files("musicvae.downbeats") / _FILE).read_bytes())
    return tuple(
        build_meter_model(
            name,
            tensors[f"{name}.transition"].astype(np.float64),
            tensors[f"{name}.salience"].astype(np.float64),
            tensors[f"{name}.period"].astype(np.float64),
        )
        for name in BAR_STEPS
    )


def build_meter_model(
    name: str, transition: Floats, salience: Floats, period: Floats
) -> MeterModel:
    """Return a model from its tables.

    Args:
        name: of the meter.
        transition: log-probability of each interval from each state. `(S, MAX_INTERVAL + 1)`
        salience: as in `MeterModel`.
        period: mean and deviation of the log period, log-prior of the meter. `(3,)`
    """
    at, bar = positions(name), BAR_STEPS[name]
    place = np.full(bar, -1)
    place[at] = np.arange(len(at))
    steps = np.arange(MAX_INTERVAL + 1)
    target = place[(at[:, None] + steps) % bar]  # (S, intervals)
    K = _MAX_SOURCES
    source = np.zeros((len(at), K), np.int64)
    interval, score = np.zeros_like(source), np.full((len(at), K), -np.inf)
    for state in range(len(at)):
        sources, steps_before = np.nonzero(target == state)
        value = transition[sources, steps_before]
        order = np.argsort(-value, kind="stable")[:K]
        n = len(order)
        source[state, :n], interval[state, :n] = sources[order], steps_before[order]
        score[state, :n] = value[order]
    return MeterModel(
        name=name,
        bar_steps=bar,
        positions=at,
        source=source,
        interval=interval,
        transition=score,
        salience=salience,
        log_period_mean=float(period[0]),
        log_period_std=float(period[1]),
        log_prior=float(period[2]),
    )
