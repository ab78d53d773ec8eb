"""Evaluation of a model on songs it was not trained on.

In: a `MusicVAE` and a folder of songs. Out: an `Evaluation` with reconstruction metrics, likelihood
bounds, and a comparison of samples with real windows, as JSON or text.
"""

from musicvae.evaluation.evaluate import Evaluation, evaluate
from musicvae.evaluation.text import format_evaluation

__all__ = ["Evaluation", "evaluate", "format_evaluation"]
