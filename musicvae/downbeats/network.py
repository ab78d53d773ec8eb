"""Floor 2: the ear of the bar finder: a small convolutional network, in numpy alone.

From the rows of `features` it gives, for each cell, the log-odds that a bar begins there, and for
each eighth the log-probability of each meter. It hears two cells at a time; dilated convolutions
reach about eight bars to both sides, and what the whole piece is like goes in as context. Its
weights lie beside it: `experiments/downbeats/train.py` makes them, and `bar_finder.md` says from what
and how good they are.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.features import Floats

METERS = (
    *("2/4", "3/4", "4/4", "6/8", "3/8", "9/8", "12/8", "2/2"),
    *("3/2", "6/4", "5/4", "7/8", "5/8", "4/2", "7/4", "1/4"),
)
HEARD_AT_ONCE = 2  # cells: an eighth
DILATIONS = (1, 2, 4, 8, 16, 32, 2, 4)  # eighths
CONTEXTS = (len(DILATIONS) // 2 - 1, len(DILATIONS) - 2)  # layers after which context goes in
_FILE = "bar_finder.safetensors"

Weights = dict[str, NDArray[Any]]


@cache
def weights() -> Weights:
    """The shipped weights by name, float32."""
    from safetensors.numpy import load

    content = (resources.files("musicvae.downbeats") / _FILE).read_bytes()
    return {name: array.astype(np.float32) for name, array in load(content).items()}


def listen(rows: Floats, net: Weights) -> tuple[Floats, Floats]:
    """Log-odds of a bar line at each cell `(T,)`, log-probabilities of meters `(E, METERS)`.

    `rows` is `(T, F)`; E eighths, the last one perhaps with silence after its end.
    """
    T, n_features = rows.shape
    E = -(-T // HEARD_AT_ONCE)
    eighths = np.zeros((E * HEARD_AT_ONCE, n_features), np.float32)
    eighths[:T] = rows
    H, reach = net["in.b"].size, max(DILATIONS)
    line = np.zeros((E + 2 * reach, H), np.float32)  # with silence on both sides
    h = line[reach : reach + E]
    wide, step = np.empty((E, 3 * H), np.float32), np.empty((E, H), np.float32)
    np.maximum(eighths.reshape(E, -1) @ net["in.w"] + net["in.b"], 0, out=h)
    for i, dilation in enumerate(DILATIONS):
        before, after = reach - dilation, reach + dilation
        np.concatenate([line[before : before + E], h, line[after : after + E]], axis=1, out=wide)
        np.matmul(wide, net[f"conv.{i}.w"], out=step)
        step += net[f"conv.{i}.b"]
        h += np.maximum(step, 0, out=step)
        if i in CONTEXTS:
            name = f"context.{CONTEXTS.index(i)}"
            whole = np.concatenate([h.mean(0), (h * h).mean(0)])
            h += np.maximum(whole @ net[f"{name}.w"] + net[f"{name}.b"], 0)
    h = np.maximum(h @ net["middle.w"] + net["middle.b"], 0)
    out = h @ net["out.w"] + net["out.b"]
    lines, meters = out[:, :HEARD_AT_ONCE], out[:, HEARD_AT_ONCE:]
    meters = meters - meters.max(1, keepdims=True)
    meters -= np.log(np.exp(meters).sum(1, keepdims=True))
    return lines.reshape(-1)[:T], meters
