"""Floor 6: latents <-> bytes: rounded to steps, and packed by how often each step comes."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.errors import ConfigError
from musicvae.latent.interpolation import Latents

_PER_OCTAVE = 1  # steps of sigma
_POINT = -128  # stands for a sigma of 0
# A raw stream: no header, no check, and neither neighbours nor places to learn from.
_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 0, "lp": 0, "pb": 0}
]


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """How latents are rounded. One of the two.

    `step`: to multiples of so many sigmas, each number by its own sigma, which is kept to the
    nearest octave. `bits`: to 2^bits - 1 even steps over the range that the song needs.
    """

    step: float | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        if (self.step is None) == (self.bits is None):
            raise ConfigError("latents are rounded either to a step or to bits")
        if self.step is not None and not 0.01 <= self.step <= 100:
            raise ConfigError(f"step {self.step:g}: give 0.01 to 100 sigmas")
        if self.bits is not None and not 2 <= self.bits <= 15:
            raise ConfigError(f"{self.bits} bits: give 2 to 15 for each dimension")


def quantize(mu: Latents, sigma: Latents, coding: Quantization) -> tuple[bytes, bytes, float]:
    """`mu` and `sigma`, any one shape, as bytes, and the unit of the steps; the inverse is
    `restored`. Raises `ConfigError` for steps in sigmas where sigma is 0.
    """
    points = sigma <= 0
    octaves = np.log2(np.where(points, 1, sigma).astype(np.float64)) * _PER_OCTAVE
    levels = np.where(points, _POINT, np.round(octaves)).astype(np.int64)
    if coding.step is not None:
        if points.any():
            raise ConfigError("these latents have no sigma to go by; round them with bits")
        unit = float(coding.step)
        each = unit * _sigmas(levels)
    else:
        most = 2 ** (int(coding.bits or 2) - 1) - 1
        unit = float(np.abs(mu).max(initial=0)) / most or 1.0
        each = np.full(mu.shape, unit)
    steps = np.round(mu.astype(np.float64) / each).astype(np.int64)
    return _packed(steps), _packed(levels), unit


def dequantize(
    mu: bytes, sigma: bytes, unit: float, shape: tuple[int, ...], in_sigmas: bool
) -> tuple[Latents, Latents]:
    """`mu` and `sigma` of this shape from bytes. Raises `ValueError` for bytes that are no such."""
    steps, levels = _unpacked(mu, shape), _unpacked(sigma, shape)
    sigmas = _sigmas(levels)
    each = unit * (sigmas if in_sigmas else np.ones(shape))
    return (steps * each).astype(np.float32), sigmas.astype(np.float32)


def _sigmas(levels: Ints) -> NDArray[np.float64]:
    return np.where(levels == _POINT, 0.0, 2.0 ** (levels / _PER_OCTAVE))


def _packed(numbers: Ints) -> bytes:
    """Whole numbers, small ones cheap: 0, -1, 1, -2, ... as 0, 1, 2, 3, ...; the low bytes of all,
    then the high ones.
    """
    folded = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers).ravel()
    if folded.max(initial=0) > 0xFFFF:
        raise ConfigError("the steps are too fine for these latents; give larger ones")
    planes = np.concatenate([folded & 0xFF, folded >> 8]).astype(np.uint8)
    return lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=_FILTERS)


def _unpacked(content: bytes, shape: tuple[int, ...]) -> Ints:
    size = int(np.prod(shape))
    reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        planes = np.frombuffer(reader.decompress(content, 2 * size + 1), np.uint8)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None
    if len(planes) != 2 * size:
        raise ValueError("not as many latents as it says")
    folded = planes[:size].astype(np.int64) + (planes[size:].astype(np.int64) << 8)
    return np.where(folded & 1, -(folded + 1) // 2, folded // 2).reshape(shape)
