"""Floor 2: the ear of the bar finder: a small convolutional network, in numpy alone.

From the rows of `features` it gives, for each cell, the log-odds that a bar begins there and the
log-probability of each meter. Dilated convolutions hear about four bars to both sides, and the
mean over the whole piece goes in as context. Its weights lie beside it:
`scripts/train_bar_finder.py` makes them, and `bar_finder.md` says from what and how good they are.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.alignment.features import Floats

METERS = (
    *("2/4", "3/4", "4/4", "6/8", "3/8", "9/8", "12/8", "2/2"),
    *("3/2", "6/4", "5/4", "7/8", "5/8", "4/2", "7/4", "1/4"),
)
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 4, 16)
CONTEXTS = (len(DILATIONS) // 2 - 1, len(DILATIONS) - 2)  # layers after which it goes in
_FILE = "bar_finder.safetensors"

Weights = dict[str, NDArray[Any]]


@cache
def weights() -> Weights:
    """The shipped weights by name, float32."""
    from safetensors.numpy import load

    content = (resources.files("musicvae.alignment") / _FILE).read_bytes()
    return {name: array.astype(np.float32) for name, array in load(content).items()}


def listen(rows: Floats, net: Weights) -> tuple[Floats, Floats]:
    """Log-odds of a bar line `(T,)` and log-probabilities of meters `(T, len(METERS))`.

    Log-odds are those of the cell's beginning; `rows` is `(T, F)`.
    """
    h = np.maximum(rows @ net["in.w"] + net["in.b"], 0)  # (T, C)
    T, C = h.shape
    wide = np.zeros((T, 3 * C), np.float32)
    for i, dilation in enumerate(DILATIONS):
        wide[:, C : 2 * C] = h
        wide[dilation:, :C] = h[: max(T - dilation, 0)]
        wide[:dilation, :C] = 0
        wide[: max(T - dilation, 0), 2 * C :] = h[dilation:]
        wide[max(T - dilation, 0) :, 2 * C :] = 0
        h += np.maximum(wide @ net[f"conv.{i}.w"] + net[f"conv.{i}.b"], 0)
        if i in CONTEXTS:
            whole, context = np.concatenate([h.mean(0), (h * h).mean(0)]), CONTEXTS.index(i)
            h += np.maximum(whole @ net[f"context.{context}.w"] + net[f"context.{context}.b"], 0)
    h = np.maximum(h @ net["middle.w"] + net["middle.b"], 0)
    out = h @ net["out.w"] + net["out.b"]
    meters = out[:, 1:]
    top = meters.max(1, keepdims=True)
    meters = meters - top - np.log(np.exp(meters - top).sum(1, keepdims=True))
    return out[:, 0], meters
