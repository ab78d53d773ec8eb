"""Compression of a checkpoint's tensors for release.

Numbers are stored in half precision; of lower triangular matrices only the lower half is stored;
and, where a file would be too large, matrices are quantized to int8 with a scale for each row. The
suffix of a tensor's name in the file says what was done to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LOWER_SUFFIX, BYTES_SUFFIX, SCALE_SUFFIX = ".lower", ".bytes", ".scale"
MAX_HALF_ERROR = 1e-3  # largest error of half precision, relative to a tensor's largest number
INT8_MAX = 127


def compress(tensors: Mapping[str, Tensor], max_bytes: int) -> dict[str, Tensor]:
    """Return tensors to store in fewer than `max_bytes`, if possible; inverts `decompress`.

    As few matrices as possible are quantized: those of the prior before others, then large ones
    before small ones.
    """
    stored = dict(_pack_triangle(name, to_half(tensor)) for name, tensor in tensors.items())
    matrices = [n for n, t in stored.items() if t.ndim > 1 and t.is_floating_point()]
    order = sorted(matrices, key=lambda n: (not n.startswith("prior."), -stored[n].numel()))
    for name in order:
        if n_bytes(stored) < max_bytes:
            break
        stored |= _quantize_rows(name, stored.pop(name))
    return stored


def decompress(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that `compress` was given, floating-point numbers as float32.

    Raises `ValueError` for tensors that `compress` does not write.
    """
    whole: dict[str, Tensor] = {}
    for stored, tensor in tensors.items():
        name, value = stored, tensor
        base = name.removesuffix(SCALE_SUFFIX)
        if base != name and base + BYTES_SUFFIX in tensors:
            continue
        if name.endswith(BYTES_SUFFIX):
            name = name.removesuffix(BYTES_SUFFIX)
            scale = tensors.get(name + SCALE_SUFFIX)
            if scale is None or not tensor.ndim or scale.shape != (*tensor.shape[:-1], 1):
                raise ValueError(f"no scale for each row of {name[:80]!r}")
            value = tensor.float() * scale.float()
            if not bool(value.isfinite().all()):
                raise ValueError(f"NaN or inf in {name[:80]!r}")
        value = value.float() if value.is_floating_point() else value
        if name.endswith(LOWER_SUFFIX):
            name, value = name.removesuffix(LOWER_SUFFIX), _unpack_triangle(value)
        whole[name] = value
    return whole


def n_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Return the number of bytes that tensors take in a file."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def to_half(tensor: Tensor) -> Tensor:
    """Return a tensor in half precision, or itself if its numbers would overflow or underflow."""
    if not tensor.is_floating_point() or not tensor.numel():
        return tensor
    half = tensor.half()
    error, magnitude = (half.float() - tensor).abs(), tensor.abs()
    return half if bool(error.max() <= MAX_HALF_ERROR * magnitude.max()) else tensor


def _quantize_rows(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return a matrix as int8, with the scale of each row."""
    import torch

    full = tensor.float()
    scale = (full.abs().amax(-1, keepdim=True) / INT8_MAX).clamp(min=1e-12)
    quantized = (full / scale).round().to(torch.int8)
    return {name + BYTES_SUFFIX: quantized, name + SCALE_SUFFIX: scale}


def _pack_triangle(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Return the lower half of lower triangular matrices `(..., Z, Z)`: `(..., Z * (Z + 1) / 2)`.

    Other tensors come back unchanged.
    """
    square = tensor.ndim > 1 and tensor.shape[-1] == tensor.shape[-2] > 1
    if not square or not bool((tensor.triu(1) == 0).all()):
        return name, tensor
    row, column = _triangle_indices(tensor.shape[-1])
    return name + LOWER_SUFFIX, tensor[..., row, column]


def _unpack_triangle(tensor: Tensor) -> Tensor:
    """Return the lower triangular matrices packed by `_pack_triangle`. Raises `ValueError`."""
    size = math.isqrt(2 * tensor.shape[-1]) if tensor.ndim else 0
    if not size or 2 * tensor.shape[-1] != size * (size + 1):
        raise ValueError("a triangle without all of its numbers")
    whole = tensor.new_zeros(*tensor.shape[:-1], size, size)
    row, column = _triangle_indices(size)
    whole[..., row, column] = tensor
    return whole


def _triangle_indices(size: int) -> Tensor:
    import torch

    return torch.tril_indices(size, size)
