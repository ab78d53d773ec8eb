"""Songs without notes, as containers for sampled ones: bars, meter, tempo, key and parts.

What the user does not specify is drawn from the training songs, as the checkpoint's provenance
describes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from musicvae.arrays import Ints
from musicvae.config.preset import Preset
from musicvae.errors import ConfigError
from musicvae.representation.bars import Bars
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.representation.key import Key, transpose_fifths
from musicvae.song import KeyMap, Part, Song, TempoMap, construct_unchecked
from musicvae.swing import STRAIGHT, Swing

T = TypeVar("T")
TICKS_PER_QUARTER = 480
NO_PICKUP = Fraction(0)
MIN_PICKUP_SHARE = 0.05  # of the songs with a pickup; rarer lengths are not drawn
MIN_PICKUP_BARS = 8  # shorter samples are excerpts, without a pickup unless asked for


def empty_bars(
    preset: Preset,
    n_bars: int,
    meter: tuple[int, int],
    *,
    pickup: Fraction = NO_PICKUP,
    provenance: Mapping[str, Any] | None = None,
) -> Bars:
    """Return `n_bars` bars without notes for the preset's parts, at its default tempo.

    With a `pickup`, in whole notes, one more bar comes first and the last one is shortened by as
    much, as notation does to leave room for the pickup of a repeat. The parts have the programs of
    the training songs that `provenance` tells of, else those of the preset.
    """
    numerator, denominator = meter
    full, pickup_ticks = (
        int(4 * TICKS_PER_QUARTER * length) for length in (Fraction(*meter), pickup)
    )
    length_ticks = np.full(n_bars + bool(pickup_ticks), full)
    if pickup_ticks:
        length_ticks[0], length_ticks[-1] = pickup_ticks, full - pickup_ticks
    return Bars.empty(
        empty_parts(preset, (provenance or {}).get("programs")),
        numerator=np.full(len(length_ticks), numerator),
        denominator=np.full(len(length_ticks), denominator),
        length_ticks=length_ticks,
        qpm=np.full(len(length_ticks), preset.default_qpm),
        ticks_per_quarter=TICKS_PER_QUARTER,
        steps_per_quarter=preset.grid.steps_per_quarter,
    )


def empty_parts(preset: Preset, programs: Sequence[int] | None = None) -> tuple[Part, ...]:
    """Return parts without notes for the slots of a preset, by default with its programs."""
    own = [part.program for part in preset.parts]
    return tuple(
        Part.empty(part.name, program, part.kind == "drums")
        for part, program in zip(preset.parts, own if programs is None else programs, strict=True)
    )


def songs_from_bars(
    bars: Bars, qpm: Sequence[float], keys: Ints, signature: Key | None = None
) -> list[Song]:
    """Return songs over the same bars, each with its own tempo and key, all made at once.

    `bars.notes` numbers the parts of all songs, those of `bars.header` once for each of `qpm`
    (quarters per minute) and `keys` (semitones above C). The key signature is that of `signature`,
    by default of the major scale on each of `keys`.
    """
    header, R = bars.header, len(bars.header.parts)
    all_parts = construct_unchecked(Song, **{**vars(header), "parts": header.parts * len(keys)})
    all_songs = replace(bars, header=all_parts).at(STORED_STEPS_PER_QUARTER).to_song()
    tempos = {tempo: TempoMap.constant(tempo) for tempo in set(qpm)}
    signatures = {tonic: _key_signature(tonic, signature) for tonic in set(keys.tolist())}
    return [
        construct_unchecked(
            Song,
            **{
                **vars(header),
                "parts": all_songs.parts[i * R : (i + 1) * R],
                "tempo": tempos[tempo],
                "key": signatures[tonic],
            },
        )
        for i, (tempo, tonic) in enumerate(zip(qpm, keys.tolist(), strict=True))
    ]


def _key_signature(tonic: int, key: Key | None) -> KeyMap:
    if key is not None:
        return KeyMap.constant(key.fifths, key.is_minor)
    return KeyMap.constant(transpose_fifths(0, tonic))


def choose_meter(
    preset: Preset, provenance: Mapping[str, Any], meter: str | None
) -> tuple[int, int]:
    """Return the requested meter, else the most frequent one of the training songs.

    Raises `ConfigError` if it is malformed or longer than the preset's bars.
    """
    counts: dict[str, int] = provenance.get("meters", {})
    name = meter or max(counts, key=lambda m: counts[m], default=preset.meters[0])
    found = re.fullmatch(r"([1-9][0-9]{0,2})/(1|2|4|8|16)", name)
    if not found:
        raise ConfigError(f"meter {name!r}: write it as 4/4, 3/4, 6/8, ...")
    numerator, denominator = (int(number) for number in found.groups())
    limit, quarter = preset.grid.max_steps, preset.grid.steps_per_quarter
    if 4 * quarter * numerator > limit * denominator:
        raise ConfigError(f"meter {name}: preset {preset.name} has at most {limit} steps per bar")
    return numerator, denominator


def choose_pickups(
    provenance: Mapping[str, Any],
    pickup: str | None,
    meter: tuple[int, int],
    n_bars: int,
    n: int,
    rng: np.random.Generator,
) -> list[Fraction]:
    """Return `n` lengths of pickups in whole notes: the requested one, such as `1/8`, or `0`.

    By default they are drawn from those of the training songs in this meter if there are at least
    8 bars, else 0. Lengths that few of these songs with a pickup have are not drawn. Raises
    `ConfigError`.
    """
    (numerator, denominator), full = meter, Fraction(*meter)
    if pickup is None:
        counts = provenance.get("pickups", {}).get(f"{numerator}/{denominator}", {})
        if n_bars < MIN_PICKUP_BARS or not counts:
            return [NO_PICKUP] * n
        return _draw_pickups({Fraction(p): m for p, m in counts.items()}, full, n, rng)
    found = re.fullmatch(r"0|([1-9][0-9]?)/(1|2|4|8|16)", pickup.strip())
    if not found:
        raise ConfigError(f"pickup {pickup!r}: write it as 1/8, 1/4, ..., or 0 for none")
    length = Fraction(pickup.strip())
    if length >= full:
        raise ConfigError(f"pickup {pickup}: not shorter than a bar of {numerator}/{denominator}")
    return [length] * n


def _draw_pickups(
    counts: dict[Fraction, int], full: Fraction, n: int, rng: np.random.Generator
) -> list[Fraction]:
    """Draw lengths below `full` by their counts; usual ones stand in for rare ones."""
    some = {length: m for length, m in counts.items() if 0 < length < full}
    with_pickup = sum(some.values())
    usual = [length for length, m in some.items() if m >= MIN_PICKUP_SHARE * with_pickup]
    scale = with_pickup / max(sum(some[length] for length in usual), 1)
    without = counts.get(NO_PICKUP, 0)
    weights = {NO_PICKUP: float(without)} | {length: some[length] * scale for length in usual}
    return _draw(weights, n, rng) if any(weights.values()) else [NO_PICKUP] * n


def _draw(weights: Mapping[T, float], n: int, rng: np.random.Generator) -> list[T]:
    """Draw `n` keys of a mapping, each with a probability proportional to its value."""
    options, weight = list(weights), np.array(list(weights.values()), float)
    return [options[i] for i in rng.choice(len(options), n, p=weight / weight.sum())]


def choose_swings(
    provenance: Mapping[str, Any], swing: str | None, n: int, rng: np.random.Generator
) -> list[Swing | None]:
    """Return `n` swings: the requested one, such as `2:1`, else drawn from the training songs.

    `1:1` is straight, None. Raises `ConfigError`.
    """
    try:
        if swing is not None:
            asked = Swing.parse(swing)
            return [asked if asked.ratio > 1 else None] * n
        counts: dict[str, int] = provenance.get("swing", {})
        if not set(counts) - {STRAIGHT}:
            return [None] * n
        swings = {name: None if name == STRAIGHT else Swing.parse(name) for name in counts}
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return [swings[name] for name in _draw(counts, n, rng)]


def choose_keys(
    provenance: Mapping[str, Any], key: int | None, n: int, rng: np.random.Generator
) -> Ints:
    """Return `n` keys, -6..5 semitones above C: the requested one, else drawn from training."""
    if key is not None:
        return np.full(n, key)
    histogram: dict[str, int] = provenance.get("keys", {"0": 1})
    return np.array([int(key) for key in _draw(histogram, n, rng)], np.int64)


def choose_tempos(
    preset: Preset,
    provenance: Mapping[str, Any],
    qpm: float | None,
    n: int,
    rng: np.random.Generator,
) -> list[float]:
    """Return `n` tempos in quarters per minute: the requested one, else drawn between the quartiles
    of the training songs.
    """
    if qpm is not None:
        return [qpm] * n
    low, _, high = provenance.get("qpm", [preset.default_qpm] * 3)
    tempos: list[float] = np.round(rng.uniform(low, high, n)).tolist()
    return tempos
