"""Floor 6: tensors <-> fewer bytes, for checkpoints that ship.

Numbers in half precision; of lower triangular matrices what is not 0; and, where a file would be
too large, matrices in whole numbers of a byte with a scale for each row. What was done to a tensor,
its name in the file says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LOWER, _BYTES, _SCALE = ".lower", ".bytes", ".scale"
_EXACT = 1e-3  # of a tensor's greatest number: how far its halves may be off
_MOST = 127  # of a signed byte


def packed(tensors: Mapping[str, Tensor], largest_bytes: int) -> dict[str, Tensor]:
    """Tensors to store in fewer than `largest_bytes`, if that can be; the inverse is `unpacked`.

    Bytes are for matrices alone, as few as will do: those of the path prior before others, which
    only draws from it, then large ones before small ones.
    """
    small = dict(_triangle(name, to_half(tensor)) for name, tensor in tensors.items())
    matrices = [n for n, t in small.items() if t.ndim > 1 and t.is_floating_point()]
    order = sorted(matrices, key=lambda n: (not n.startswith("prior."), -small[n].numel()))
    for name in order:
        if n_bytes(small) < largest_bytes:
            break
        small |= _in_bytes(name, small.pop(name))
    return small


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that `packed` was given, all numbers that were not whole as float32."""
    whole: dict[str, Tensor] = {}
    for stored, tensor in tensors.items():
        name, value = stored, tensor
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) + _BYTES in tensors:
            continue
        if name.endswith(_BYTES):
            name = name.removesuffix(_BYTES)
            value = tensor.float() * tensors[name + _SCALE].float()
        value = value.float() if value.is_floating_point() else value
        if name.endswith(_LOWER):
            name, value = name.removesuffix(_LOWER), _square(value)
        whole[name] = value
    return whole


def n_bytes(tensors: Mapping[str, Tensor]) -> int:
    """What tensors take in a file."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def to_half(tensor: Tensor) -> Tensor:
    """A tensor in half precision, unless that would lose it: too large for it, or all too small."""
    if not tensor.is_floating_point() or not tensor.numel():
        return tensor
    half = tensor.half()
    off, most = (half.float() - tensor).abs(), tensor.abs()
    return half if bool(off.max() <= _EXACT * most.max()) else tensor


def _in_bytes(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Rows as whole numbers of a byte, with what one of them is worth in each row."""
    import torch

    full = tensor.float()
    scale = (full.abs().amax(-1, keepdim=True) / _MOST).clamp(min=1e-12)
    return {name + _BYTES: (full / scale).round().to(torch.int8), name + _SCALE: scale}


def _triangle(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Of lower triangular matrices `(..., Z, Z)` only what is not 0: `(..., Z * (Z + 1) / 2)`."""
    square = tensor.ndim > 1 and tensor.shape[-1] == tensor.shape[-2] > 1
    if not square or not bool((tensor.triu(1) == 0).all()):
        return name, tensor
    row, column = _below(tensor.shape[-1])
    return name + _LOWER, tensor[..., row, column]


def _square(tensor: Tensor) -> Tensor:
    """The lower triangular matrices of which `_triangle` kept that."""
    size = math.isqrt(2 * tensor.shape[-1])
    whole = tensor.new_zeros(*tensor.shape[:-1], size, size)
    row, column = _below(size)
    whole[..., row, column] = tensor
    return whole


def _below(size: int) -> Tensor:
    import torch

    return torch.tril_indices(size, size)
