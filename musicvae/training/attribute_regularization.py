"""Attribute regularization of latent dimensions: AR-VAE (Pati and Lerch 2020).

Of any two windows of a batch, the one with the larger value of an attribute is to have the larger
value of its latent dimension. With differences `d` of the dimension and `a` of the attribute, over
all pairs of windows,

``R = mean |tanh(d) - sign(a)|``

The first attribute of `training.attributes` regularizes the first dimension of every slice, the
second the second, and so on. A window's value of a dimension is its mean over the slices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musicvae.attributes import ATTRIBUTES, window_attributes
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.errors import ConfigError, nearest
from musicvae.networks.vae import to_note_table
from musicvae.training.fit_directions import missing_attributes


def validate_attributes(preset: Preset) -> tuple[str, ...]:
    """Return the attributes that regularize dimensions.

    Raises `ConfigError` for an unknown attribute, for one that windows of the preset cannot have,
    and for more attributes than dimensions.
    """
    names, missing = preset.training.attributes, missing_attributes(preset)
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
            f"training.attributes: {len(names)} attributes for {preset.model.latent} dimensions "
            "per slice; leave some out, or set model.latent"
        )
    return names


def batch_attributes(batch: Batch, preset: Preset) -> Tensor | None:
    """Return the attributes of a batch, `(B, A)` float32, NaN where a window has none.

    None if the preset regularizes no dimension.
    """
    names = preset.training.attributes
    if not names:
        return None
    table = to_note_table(batch, preset)
    return torch.from_numpy(window_attributes(table, preset.meters, names)).float()


def regularized_dims(mu: Tensor, slices: int, n: int) -> Tensor:
    """Return the first `n` dimensions of a slice, `(B, n)`, as means over the slices of `(B, Z)`.

    Slices past the end of a song, which are zero, do not count.
    """
    by_slice = mu.reshape(len(mu), slices, -1)
    is_real = (by_slice != 0).any(-1, keepdim=True)
    return (by_slice[..., :n] * is_real).sum(1) / is_real.sum(1).clamp(min=1)


def ar_vae_loss(dimensions: Tensor, values: Tensor) -> Tensor:
    """Return `R`, summed over the A attributes, for `dimensions` and `values` of shape `(B, A)`.

    Per attribute it is 0 if the dimension orders the windows as the attribute does, with large
    differences, 1 if all windows have the same value, and 2 for the reverse order.
    """
    difference = dimensions[:, None] - dimensions[None]  # (B, B, A)
    target = values[:, None] - values[None]
    is_known = torch.isfinite(target)
    error = (torch.tanh(difference) - torch.sign(target.nan_to_num())).abs() * is_known
    return (error.sum((0, 1)) / is_known.sum((0, 1)).clamp(min=1)).sum()
