"""Floor 5: folder -> shards -> windows -> batches.

Names are imported on first use: processes that only read files must not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicvae.dataset.cutting import Batch
    from musicvae.dataset.preparing import prepare, prepare_cached
    from musicvae.dataset.report import PrepareReport
    from musicvae.dataset.shards import Shards
    from musicvae.dataset.windows import Windows

_HOMES = {
    "Batch": "cutting",
    "PrepareReport": "report",
    "Shards": "shards",
    "Windows": "windows",
    "prepare": "preparing",
    "prepare_cached": "preparing",
}

__all__ = ["Batch", "PrepareReport", "Shards", "Windows", "prepare", "prepare_cached"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"musicvae.dataset.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'musicvae.dataset' has no attribute {name!r}")
