"""Floor 5: folder -> shards -> windows -> batches."""

from musicvae.dataset.prepare import PrepareReport, prepare, prepare_cached
from musicvae.dataset.shards import Shards
from musicvae.dataset.windows import Batch, Windows

__all__ = ["Batch", "PrepareReport", "Shards", "Windows", "prepare", "prepare_cached"]
