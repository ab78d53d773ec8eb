"""Floor 9: a model judged on songs it has not seen. `evaluate` is all one needs."""

from musicvae.evaluate.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
