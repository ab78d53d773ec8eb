"""Floor 7: Lightning module, data, callbacks, and the run that ties them together."""

from musicvae.training.finetune import fine_tuning
from musicvae.training.personalize import personalize
from musicvae.training.train import TrainingResult, train

__all__ = ["TrainingResult", "fine_tuning", "personalize", "train"]
