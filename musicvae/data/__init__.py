"""Floor 5: folder -> shards -> windows -> batches.

Names are imported on first use: processes that only read files must not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicvae.data.batch import Batch
    from musicvae.data.dataset import Windows
    from musicvae.data.prepare import prepare, prepare_cached
    from musicvae.data.report import PrepareReport
    from musicvae.data.shards import Shards

_HOMES = {
    "Batch": "batch",
    "PrepareReport": "report",
    "Shards": "shards",
    "Windows": "dataset",
    "prepare": "prepare",
    "prepare_cached": "prepare",
}

__all__ = ["Batch", "PrepareReport", "Shards", "Windows", "prepare", "prepare_cached"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"musicvae.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'musicvae.data' has no attribute {name!r}")
