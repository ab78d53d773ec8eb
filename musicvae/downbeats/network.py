"""Downbeat network: a small temporal convolutional network (TCN), inference in numpy.

From the features of each cell it predicts the log-odds that a bar begins there, and for each
eighth the log-probability of each meter. A frame is two cells; dilated convolutions cover about
eight bars to both sides, and statistics of the whole song are added as context. The weights are
shipped beside this module; `bar_finder.md` is their model card.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats32

METERS = (
    *("2/4", "3/4", "4/4", "6/8", "3/8", "9/8", "12/8", "2/2"),
    *("3/2", "6/4", "5/4", "7/8", "5/8", "4/2", "7/4", "1/4"),
)
CELLS_PER_EIGHTH = 2  # one frame of the network
DILATIONS = (1, 2, 4, 8, 16, 32, 2, 4)  # eighths
CONTEXTS = (len(DILATIONS) // 2 - 1, len(DILATIONS) - 2)  # layers after which context is added

Weights = dict[str, NDArray[Any]]


@cache
def load_weights() -> Weights:
    """Return shipped weights by name, float32."""
    from safetensors.numpy import load

    content = (resources.files("musicvae.downbeats") / "bar_finder.safetensors").read_bytes()
    return {name: array.astype(np.float32) for name, array in load(content).items()}


def predict(features: Floats32, weights: Weights) -> tuple[Floats32, Floats32]:
    """Return log-odds of a bar line at each cell `(T,)`, log-probabilities of meters `(E, METERS)`.

    `features`: `(T, F)`. E eighths, the last one zero-padded if T is odd.
    """
    T, n_features = features.shape
    E = -(-T // CELLS_PER_EIGHTH)
    eighths = np.zeros((E * CELLS_PER_EIGHTH, n_features), np.float32)
    eighths[:T] = features
    H, reach = weights["in.b"].size, max(DILATIONS)
    line = np.zeros((E + 2 * reach, H), np.float32)  # zero-padded on both sides
    h = line[reach : reach + E]
    wide, step = np.empty((E, 3 * H), np.float32), np.empty((E, H), np.float32)
    np.maximum(eighths.reshape(E, -1) @ weights["in.w"] + weights["in.b"], 0, out=h)
    for i, dilation in enumerate(DILATIONS):
        before, after = reach - dilation, reach + dilation
        np.concatenate([line[before : before + E], h, line[after : after + E]], axis=1, out=wide)
        np.matmul(wide, weights[f"conv.{i}.w"], out=step)
        step += weights[f"conv.{i}.b"]
        h += np.maximum(step, 0, out=step)
        if i in CONTEXTS:
            name = f"context.{CONTEXTS.index(i)}"
            whole = np.concatenate([h.mean(0), (h * h).mean(0)])
            h += np.maximum(whole @ weights[f"{name}.w"] + weights[f"{name}.b"], 0)
    h = np.maximum(h @ weights["middle.w"] + weights["middle.b"], 0)
    out = h @ weights["out.w"] + weights["out.b"]
    lines, meters = out[:, :CELLS_PER_EIGHTH], out[:, CELLS_PER_EIGHTH:]
    meters = meters - meters.max(1, keepdims=True)
    meters -= np.log(np.exp(meters).sum(1, keepdims=True))
    return lines.reshape(-1)[:T], meters
