"""Floor 6: frames of songs that do not exist yet: bars, meter, tempo, key and parts, no notes.

What the user does not ask for is drawn from what was usual in the songs a model learned from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from musicvae.config.preset import Preset
from musicvae.errors import ConfigError
from musicvae.representation.bars import Bars
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.song import Ints, Key, Part, Song, TempoMap, trusted

TICKS_PER_QUARTER = 480
NO_PICKUP = Fraction(0)
_PIECE = 8  # bars from which on a sample is a whole piece, with a pickup if that is usual


def blank_bars(
    preset: Preset, n_bars: int, meter: tuple[int, int], *, pickup: Fraction = NO_PICKUP
) -> Bars:
    """`n_bars` empty bars for the preset's parts, in one meter, at its usual tempo.

    With a `pickup`, a share of a whole note, one more bar comes first, and the last one is as much
    shorter, as songs are written: it is where the pickup of a repeat would begin.
    """
    numerator, denominator = meter
    full, before = (int(4 * TICKS_PER_QUARTER * share) for share in (Fraction(*meter), pickup))
    length = np.full(n_bars + bool(before), full)
    if before:
        length[0], length[-1] = before, full - before
    return Bars.blank(
        tuple(Part.empty(p.name, p.program, p.kind == "drums") for p in preset.parts),
        numerator=np.full(len(length), numerator),
        denominator=np.full(len(length), denominator),
        length_ticks=length,
        qpm=np.full(len(length), preset.default_qpm),
        ticks_per_quarter=TICKS_PER_QUARTER,
        steps_per_quarter=preset.grid.steps_per_quarter,
    )


def songs_of(bars: Bars, qpm: Sequence[float], keys: Ints) -> list[Song]:
    """Songs over the same bars, each in a tempo and a key of its own, made all at once.

    The parts of `bars.notes` are those of the first song, then those of the second, and so on:
    as many as `bars.frame` has, for each of `qpm` and `keys` (semitones above C).
    """
    frame, R = bars.frame, len(bars.frame.parts)
    all_parts = trusted(Song, **{**vars(frame), "parts": frame.parts * len(keys)})
    whole = replace(bars, frame=all_parts).at(STORED_STEPS_PER_QUARTER).to_song()
    tempos = {pace: TempoMap.constant(pace) for pace in set(qpm)}
    signatures = {tonic: _signature(tonic) for tonic in set(keys.tolist())}
    return [
        trusted(
            Song,
            **{
                **vars(frame),
                "parts": whole.parts[i * R : (i + 1) * R],
                "tempo": tempos[pace],
                "key": signatures[tonic],
            },
        )
        for i, (pace, tonic) in enumerate(zip(qpm, keys.tolist(), strict=True))
    ]


def _signature(tonic: int) -> Key:
    fifths = (tonic * 7 + 6) % 12 - 6
    return Key(ticks=np.array([0]), fifths=np.array([fifths]), minor=np.array([0]))


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


def chosen_pickup(
    provenance: Mapping[str, Any], pickup: str | None, meter: tuple[int, int], n_bars: int
) -> Fraction:
    """The pickup asked for as a share of a whole note, such as `1/8`, or `0`. If none is, that of
    most training songs in this meter, for pieces of 8 bars or more. Raises `ConfigError`.
    """
    (numerator, denominator), full = meter, Fraction(*meter)
    if pickup is None:
        usual = provenance.get("pickups", {}).get(f"{numerator}/{denominator}", {})
        told = max(usual, key=lambda p: usual[p], default="0") if n_bars >= _PIECE else "0"
        share = Fraction(told)
        return share if share < full else NO_PICKUP
    found = re.fullmatch(r"0|([1-9][0-9]?)/(1|2|4|8|16)", pickup.strip())
    if not found:
        raise ConfigError(f"pickup {pickup!r}: write it as 1/8, 1/4, ..., or 0 for none")
    share = Fraction(pickup.strip())
    if share >= full:
        raise ConfigError(f"pickup {pickup}: not shorter than a bar of {numerator}/{denominator}")
    return share


def chosen_keys(
    provenance: Mapping[str, Any], key: int | None, n: int, rng: np.random.Generator
) -> Ints:
    """The key asked for in semitones above C, -6..5, else drawn from the training songs'. `(n,)`"""
    if key is not None:
        return np.full(n, key)
    usual: dict[str, int] = provenance.get("keys", {"0": 1})
    counts = np.array(list(usual.values()), float)
    return rng.choice([int(k) for k in usual], n, p=counts / counts.sum())


def chosen_tempos(
    preset: Preset,
    provenance: Mapping[str, Any],
    qpm: float | None,
    n: int,
    rng: np.random.Generator,
) -> list[float]:
    """The tempo asked for in quarters a minute, else from the middle half of the usual. `(n,)`"""
    if qpm is not None:
        return [qpm] * n
    low, _, high = provenance.get("qpm", [preset.default_qpm] * 3)
    drawn: list[float] = np.round(rng.uniform(low, high, n)).tolist()
    return drawn
