"""Lightning's trainer as runs use it, and the loggers that it writes to."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from musicvae.config.preset import Preset
from musicvae.networks.devices import pick_device
from musicvae.training.distributed import processes_and_nodes


def make_trainer(
    preset: Preset,
    callbacks: list[pl.Callback],
    loggers: Sequence[Logger],
    device: str,
    devices: int,
    precision: str,
) -> pl.Trainer:
    """Return a trainer that leaves data, progress, checkpoints and validation to this package."""
    per_node, nodes = processes_and_nodes(devices)
    return pl.Trainer(
        accelerator=pick_device(device),
        devices=per_node,
        num_nodes=nodes,
        strategy="ddp" if per_node * nodes > 1 else "auto",
        accumulate_grad_batches=preset.training.accumulate,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        gradient_clip_val=preset.training.gradient_clip,
        logger=list(loggers),
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def make_loggers(logger: str | Logger | Sequence[Logger], folder: Path) -> list[Logger]:
    """Return the loggers of a run in `folder`: those given, or by a name of `LOGGERS`.

    `auto` is TensorBoard where it is installed; `check_logger` checks names.
    """
    if isinstance(logger, Logger):
        return [logger]
    if not isinstance(logger, str):
        return list(logger)
    if logger == "csv":
        return [CSVLogger(folder, name="", version="csv")]
    if logger == "wandb":
        return [WandbLogger(project="musicvae", name=folder.name, save_dir=folder)]
    if logger == "tensorboard" or (logger == "auto" and find_spec("tensorboard") is not None):
        return [TensorBoardLogger(folder, name="", version="tensorboard")]
    return []


@contextmanager
def silence_lightning() -> Iterator[None]:
    """Silence Lightning's warnings and log messages."""
    names = ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero", "lightning_fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*pkg_resources.*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
