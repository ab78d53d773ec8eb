"""Floor 9: a model judged on songs it has not seen. `evaluate` is all one needs."""

from musicvae.evaluate.evaluation import Evaluation, evaluate
from musicvae.evaluate.text import text

__all__ = ["Evaluation", "evaluate", "text"]
