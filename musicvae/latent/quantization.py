"""Lossy compression of latents: quantize them, and code the integers with LZMA."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.errors import ConfigError
from musicvae.latent.interpolation import Latents

_LEVELS_PER_OCTAVE = 1  # of sigma
_ZERO_SIGMA = -128  # the level that stands for a sigma of 0
# A raw stream without header and checksum; the literal coder uses no context.
_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 0, "lp": 0, "pb": 0}
]


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How latents are quantized, by `step` or by `bits`; one of the two.

    `step`: quantization step in units of sigma, of each number's own, which is kept to the nearest
    octave. `bits`: 2^bits - 1 uniform levels over the range of the song's latents.
    """

    step: float | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        if (self.step is None) == (self.bits is None):
            raise ConfigError("latents are quantized either by a step or by bits")
        if self.step is not None and not 0.01 <= self.step <= 100:
            raise ConfigError(f"step {self.step:g}: give 0.01 to 100 sigmas")
        if self.bits is not None and not 2 <= self.bits <= 15:
            raise ConfigError(f"{self.bits} bits: give 2 to 15 for each dimension")


def quantize(mu: Latents, sigma: Latents, quantization: Quantization) -> tuple[bytes, bytes, float]:
    """Quantize `mu` and `sigma`, of any one shape; the inverse is `dequantize`.

    Returns both as bytes and the unit of the steps. Raises `ConfigError` for steps in sigmas where
    sigma is 0, and for steps that are too small.
    """
    points = sigma <= 0
    octaves = np.log2(np.where(points, 1, sigma).astype(np.float64)) * _LEVELS_PER_OCTAVE
    levels = np.where(points, _ZERO_SIGMA, np.round(octaves)).astype(np.int64)
    if quantization.step is not None:
        if points.any():
            raise ConfigError("these latents have no sigma to scale steps by; give bits instead")
        unit = float(quantization.step)
        step = unit * _sigma_of_level(levels)
    else:
        max_level = 2 ** (int(quantization.bits or 2) - 1) - 1
        unit = float(np.abs(mu).max(initial=0)) / max_level or 1.0
        step = np.full(mu.shape, unit)
    numbers = np.round(mu.astype(np.float64) / step).astype(np.int64)
    return _compress(numbers), _compress(levels), unit


def dequantize(
    mu: bytes, sigma: bytes, unit: float, shape: tuple[int, ...], in_sigmas: bool
) -> tuple[Latents, Latents]:
    """Return `mu` and `sigma` of a shape from bytes; raise `ValueError` for invalid ones."""
    numbers, levels = _decompress(mu, shape), _decompress(sigma, shape)
    sigmas = _sigma_of_level(levels)
    step = unit * (sigmas if in_sigmas else np.ones(shape))
    return (numbers * step).astype(np.float32), sigmas.astype(np.float32)


def _sigma_of_level(levels: Ints) -> Floats:
    return np.where(levels == _ZERO_SIGMA, 0.0, 2.0 ** (levels / _LEVELS_PER_OCTAVE))


def _compress(numbers: Ints) -> bytes:
    """Compress integers, zigzag coded as 16 bits, the low bytes of all before the high ones."""
    zigzag = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers).ravel()
    if zigzag.max(initial=0) > 0xFFFF:
        raise ConfigError("the steps are too small for these latents; give larger ones")
    planes = np.concatenate([zigzag & 0xFF, zigzag >> 8]).astype(np.uint8)
    return lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=_FILTERS)


def _decompress(content: bytes, shape: tuple[int, ...]) -> Ints:
    size = int(np.prod(shape))
    reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        planes = np.frombuffer(reader.decompress(content, 2 * size + 1), np.uint8)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None
    if len(planes) != 2 * size:
        raise ValueError("wrong number of latents")
    zigzag = planes[:size].astype(np.int64) + (planes[size:].astype(np.int64) << 8)
    return np.where(zigzag & 1, -(zigzag + 1) // 2, zigzag // 2).reshape(shape)
