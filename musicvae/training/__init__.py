"""Floor 7: Lightning module, data, callbacks, and the run that ties them together."""

from musicvae.training.run import TrainingResult, train

__all__ = ["TrainingResult", "train"]
