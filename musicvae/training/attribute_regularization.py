"""Floor 7: dimensions of the latent that are made to follow attributes while a model learns.

The attribute regularisation of Pati and Lerch (2020): of any two windows of a batch, the one that
has more of an attribute is to have more of its dimension. For distances `d` of that dimension and
`a` of the attribute, over all pairs,

``R = mean |tanh(d) - sign(a)|``

The first attribute of `training.attributes` has the first dimension of every slice, the second the
second, and so on; of a window the mean over its slices counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musicvae.attributes import ATTRIBUTES, measured
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.errors import ConfigError, nearest
from musicvae.networks.vae import table_of_batch
from musicvae.training.fit_directions import lacking_of


def checked_attributes(preset: Preset) -> tuple[str, ...]:
    """The attributes that dimensions are to follow. Raises `ConfigError` for one that there is not,
    that windows of the preset cannot have, or for which there is no dimension.
    """
    names, missing = preset.training.attributes, lacking_of(preset)
    for name in names:
        if name not in ATTRIBUTES:
            known = ", ".join(ATTRIBUTES)
            raise ConfigError(
                f"training.attributes: no attribute {name!r}{nearest(name, ATTRIBUTES)}; "
                f"there are {known}"
            )
        if name in missing:
            raise ConfigError(
                f"training.attributes: {preset.name} has no {name}: {missing[name]}; leave it out"
            )
    if len(names) > preset.model.latent:
        raise ConfigError(
            f"training.attributes: {len(names)} for {preset.model.latent} dimensions of a slice; "
            "leave some out, or set model.latent"
        )
    return names


def values_of(batch: Batch, preset: Preset) -> Tensor | None:
    """The attributes of a batch's windows `(B, A)` float32, nan where a window has none; none at
    all if the preset wants no dimension to follow any.
    """
    names = preset.training.attributes
    if not names:
        return None
    table = table_of_batch(batch, preset)
    return torch.from_numpy(measured(table, preset.meters, names)).float()


def following(mu: Tensor, slices: int, n: int) -> Tensor:
    """The dimensions of windows that follow `n` attributes: of latents `(B, Z)` the first `n` of
    each slice, mean over the slices that there are. `(B, n)`
    """
    parted = mu.reshape(len(mu), slices, -1)
    there = (parted != 0).any(-1, keepdim=True)
    return (parted[..., :n] * there).sum(1) / there.sum(1).clamp(min=1)


def disorder(dimensions: Tensor, values: Tensor) -> Tensor:
    """`R`, summed over attributes: 0 where each dimension `(B, A)` puts windows as far apart as it
    can in the order of its attribute `(B, A)`, 1 for each that puts them all in one place.
    """
    apart = dimensions[:, None] - dimensions[None]  # (B, B, A)
    wanted = values[:, None] - values[None]
    there = torch.isfinite(wanted)
    off = (torch.tanh(apart) - torch.sign(wanted.nan_to_num())).abs() * there
    return (off.sum((0, 1)) / there.sum((0, 1)).clamp(min=1)).sum()
