"""Training data: a folder of music files becomes shards, shards become windows, windows batches.

In: a folder of MIDI or scores. Out: `Shards` (songs on the stored grid), `WindowDataset` (a torch
dataset of windows for one preset) and `Batch` (the tensors networks read). The function that
prepares a folder is `musicvae.data.prepare.prepare`.
Names are imported on first use: processes that only read files must not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicvae.data.batch import Batch
    from musicvae.data.dataset import WindowDataset
    from musicvae.data.prepare import prepare_cached
    from musicvae.data.report import PrepareReport
    from musicvae.data.shards import Shards

_MODULES = {
    "Batch": "batch",
    "PrepareReport": "report",
    "Shards": "shards",
    "WindowDataset": "dataset",
    "prepare_cached": "prepare",
}

__all__ = ["Batch", "PrepareReport", "Shards", "WindowDataset", "prepare_cached"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"musicvae.data.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'musicvae.data' has no attribute {name!r}")
