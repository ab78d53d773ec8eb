"""The folder of a run: what it may hold before the run, and what a resumed run finds there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from musicvae.checkpoints import (
    MODEL_FILE,
    ORIGIN_FILE,
    STATE_FILE,
    Checkpoint,
    checkpoint_name,
    file_hash,
    find,
    is_finished,
    load,
    load_tensors,
)
from musicvae.errors import CheckpointError, WriteError, os_reason
from musicvae.storage import write_bytes
from musicvae.training.distributed import rank
from musicvae.training.module import TrainingModule


def require_new_run(folder: Path) -> None:
    """Raise `CheckpointError` if a folder holds a run, `WriteError` if it cannot be written."""
    try:
        folder.lstat()
        is_run = (folder / STATE_FILE).exists() or is_finished(folder / MODEL_FILE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteError(folder, os_reason(error), "choose another --name") from None
    if is_run:
        hint = "choose --name, or go on with --resume"
        raise CheckpointError(folder, "holds a run already", hint)
    if not folder.is_dir():
        raise WriteError(folder, "is a file, not a folder", "choose another --name")


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """The state file of an interrupted run: its tensors and its header."""

    path: Path
    tensors: dict[str, Tensor]
    header: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> SavedState:
        """Read the state in the folder of a run. Raises `CheckpointError`."""
        tensors, header = load_tensors(folder / STATE_FILE)
        return cls(path=folder / STATE_FILE, tensors=tensors, header=header)

    def restore(self, module: TrainingModule, *, minutes: float | None, steps: int | None) -> None:
        """Restore weights, optimizer, schedule, beta and running metrics.

        `minutes` and `steps` as for `Schedule.resume`. Raises `CheckpointError`.
        """
        try:
            module.restore(self.tensors)
            module.schedule.resume(self.header["plan"], minutes=minutes, steps=steps)
            module.beta_controller.beta = float(self.header["control"]["beta"])
            module.beta_controller.mean_bits = float(self.header["control"]["mean_bits"])
            latest = self.header["latest"].items()
            module.running_metrics = {name: float(value) for name, value in latest}
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = f"a damaged state of a run ({str(error).splitlines()[0][:120]})"
            raise CheckpointError(self.path, reason, "train again under another --name") from None

    def warn_if_songs_changed(
        self, facts: dict[str, Any], on_warning: Callable[[str], None]
    ) -> None:
        """Warn if the run began with another number of songs than `facts` of the data tell."""
        before, now = self.header["provenance"]["songs"], facts["songs"]
        if before != now:
            on_warning(f"the songs have changed since this run began: {before:,} then, {now:,} now")


def load_base(folder: Path, weights: str | Path | None) -> Checkpoint | None:
    """Load the checkpoint a run starts from; a copy in the run's folder serves resumed sessions."""
    copy = folder / ORIGIN_FILE
    if weights is not None:
        base = load(find(weights))
        if not rank():
            write_bytes(copy, find(weights).read_bytes())
        return base
    return load(copy) if copy.exists() else None


def base_provenance(weights: str | Path | None, saved: SavedState | None) -> dict[str, Any]:
    """Return name and hash of the checkpoint that the run started from, under `from`."""
    if saved is not None and "from" in saved.header["provenance"]:
        return {"from": saved.header["provenance"]["from"]}
    if weights is None:
        return {}
    path = find(weights)
    return {"from": {"name": checkpoint_name(path), "hash": file_hash(path)}}
