"""Training: a preset and a folder of music -> a checkpoint.

In: a folder or `Shards`, and a `Preset`. Out: a run in `checkpoints/NAME/` (`train`), or a trained
model with a prior for a few songs (`personalize`). Around `train`: Lightning module, sampler of
batches, schedule, validation, callbacks, and the fits of prior and directions after the last step.
"""

from typing import Any
from warnings import warn

from musicvae.training.finetune import fine_tuning_preset
from musicvae.training.personalize import personalize
from musicvae.training.train import TrainingResult, train

__all__ = ["TrainingResult", "fine_tuning_preset", "personalize", "train"]


def __getattr__(name: str) -> Any:
    if name == "personalise":
        warn("personalise is now personalize", DeprecationWarning, stacklevel=2)
        return personalize
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
