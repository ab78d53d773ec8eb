"""Floor 7: Lightning module, data, callbacks, and the run that ties them together."""

from musicvae.training.personal import personalise
from musicvae.training.run import TrainingResult, train
from musicvae.training.starting import fine_tuning

__all__ = ["TrainingResult", "fine_tuning", "personalise", "train"]
