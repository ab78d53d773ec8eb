"""The interface of all priors over paths of latents.

A new prior of this package is a module beside this one, recognized by `load_prior`, fitted by
`training.fit_prior`, and named in `config.sections`; one of another package is a plug-in.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from musicvae.arrays import Floats32, Ints
from musicvae.config.preset import Preset
from musicvae.networks.priors.conditioning import KnownLatents, PathConditioning


class Prior(Protocol):
    """A prior over paths of latents."""

    def sample(
        self,
        conditioning: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        known: KnownLatents | None = None,
        bar_labels: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """Return sampled paths `(n, W, Z)` for songs conditioned as given `(n, W)`.

        Args:
            conditioning: of the windows.
            temperature: scale of the noise; below 1 samples are nearer to the mean.
            rng: source of all randomness.
            known: bars to condition on. Windows that are fully known come back unchanged.
            bar_labels: bars with the same label are made alike. `(n, W, N)`
            amount: below 1 samples are variations of `known`, the nearer the smaller.
        """
        ...

    def fits(self, preset: Preset) -> bool:
        """Return whether it is one for latents, meters and parts of models of a preset.

        Optional for plug-ins: without it, a checkpoint is loaded unchecked in this respect.
        """
        ...

    def tensors(self) -> dict[str, Floats32]:
        """Return the tensors that a checkpoint stores."""
        ...
