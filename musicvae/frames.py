"""Floor 6: frames of songs that do not exist yet: bars, meter, tempo, key and parts, no notes.

What the user does not ask for is drawn from what was usual in the songs a model learned from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from musicvae.bars import Bars
from musicvae.config import Preset
from musicvae.errors import ConfigError
from musicvae.song import Key, Part

TICKS_PER_QUARTER = 480


def blank_bars(preset: Preset, n_bars: int, meter: tuple[int, int], qpm: float, tonic: int) -> Bars:
    """`n_bars` empty bars for the preset's parts, in one meter, tempo and key."""
    numerator, denominator = meter
    length = 4 * TICKS_PER_QUARTER * numerator // denominator
    fifths = (tonic * 7 + 6) % 12 - 6
    return Bars.blank(
        tuple(Part.empty(p.name, p.program, p.kind == "drums") for p in preset.parts),
        numerator=np.full(n_bars, numerator),
        denominator=np.full(n_bars, denominator),
        length_ticks=np.full(n_bars, length),
        qpm=np.full(n_bars, qpm),
        ticks_per_quarter=TICKS_PER_QUARTER,
        steps_per_quarter=preset.grid.steps_per_quarter,
        key=Key(ticks=np.array([0]), fifths=np.array([fifths]), minor=np.array([0])),
    )


def chosen_meter(
    preset: Preset, provenance: Mapping[str, Any], meter: str | None
) -> tuple[int, int]:
    """The meter asked for, else the most frequent one. Raises `ConfigError` if it does not fit."""
    usual: dict[str, int] = provenance.get("meters", {})
    name = meter or max(usual, key=lambda m: usual[m], default=preset.meters[0])
    found = re.fullmatch(r"([1-9][0-9]{0,2})/(1|2|4|8|16)", name)
    if not found:
        raise ConfigError(f"meter {name!r}: write it as 4/4, 3/4, 6/8, ...")
    numerator, denominator = (int(number) for number in found.groups())
    limit, quarter = preset.grid.max_steps, preset.grid.steps_per_quarter
    if 4 * quarter * numerator > limit * denominator:
        raise ConfigError(f"meter {name}: preset {preset.name} has at most {limit} cells a bar")
    return numerator, denominator


def chosen_key(provenance: Mapping[str, Any], key: int | None, rng: np.random.Generator) -> int:
    """The key asked for in semitones above C, -6..5, else one drawn from the training songs'."""
    if key is not None:
        return key
    usual: dict[str, int] = provenance.get("keys", {"0": 1})
    counts = np.array(list(usual.values()), float)
    return int(rng.choice([int(k) for k in usual], p=counts / counts.sum()))


def chosen_tempo(
    preset: Preset, provenance: Mapping[str, Any], qpm: float | None, rng: np.random.Generator
) -> float:
    """The tempo asked for in quarters a minute, else one from the middle half of the usual."""
    if qpm is not None:
        return qpm
    low, _, high = provenance.get("qpm", [preset.default_qpm] * 3)
    return float(round(rng.uniform(low, high)))
