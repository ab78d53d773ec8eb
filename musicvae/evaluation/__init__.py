"""Floor 9: a model judged on songs it has not seen. `evaluate` is all one needs."""

from musicvae.evaluation.evaluate import Evaluation, evaluate
from musicvae.evaluation.text import text

__all__ = ["Evaluation", "evaluate", "text"]
