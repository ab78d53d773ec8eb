"""Floor 3: what a reader of MIDI found -> Song, within limits and with nothing done in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from musicvae.io.limits import MAX_QUARTERS, MAX_SILENCE_QUARTERS, check_counts, check_length
from musicvae.io.result import many
from musicvae.song import Ints, Key, Meter, Part, Song, TempoMap, resolve_overlaps, trusted

_MAX_DENOMINATOR = 64
DEFAULT_TEMPO, DEFAULT_METER = (500_000,), (4, 4)  # until a file says otherwise
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a MIDI file holds. `parts` are name, program and drum or not, `sizes` their notes.

    The notes of all parts follow one another in `onset`, `duration`, `pitch` and `velocity`,
    `(M,)` int64, in any order inside a part. `tempo` is ticks and microseconds a quarter,
    `meter` ticks, numerator and denominator, `key` ticks, fifths and minor; in order of time.
    `end` is the tick of the last event.
    """

    ticks_per_quarter: int
    parts: list[tuple[str, int, bool]]
    sizes: list[int]
    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    tempo: Sequence[tuple[int, ...]]
    meter: Sequence[tuple[int, ...]]
    key: Sequence[tuple[int, ...]]
    end: int


def assemble(found: Found, warnings: list[str], path: str | Path) -> Song:
    """The song; what had to be changed is added to `warnings`. Raises `ReadError` for too much."""
    check_counts(len(found.pitch), len(found.parts), path)
    tpq = found.ticks_per_quarter
    parts, last = _parts(found, warnings)
    check_length(last, tpq, path)
    end = max(found.end, last)
    if end > last + MAX_SILENCE_QUARTERS * tpq and (end > 2 * last or end > MAX_QUARTERS * tpq):
        warnings.append(f"{many((end - last) // tpq, 'quarter')} of silence at the end left out")
        end = last
    tempo = _entries(found.tempo, end, DEFAULT_TEMPO, _is_tempo, "tempo", warnings)
    meter = _entries(found.meter, end, DEFAULT_METER, _is_meter, "time signature", warnings)
    key = _entries(found.key, end, None, _is_key, "key signature", warnings)
    return trusted(
        Song,
        ticks_per_quarter=tpq,
        parts=parts,
        tempo=_map(TempoMap, ("ticks", "us_per_quarter"), tempo),
        meter=_map(Meter, ("ticks", "numerator", "denominator"), meter),
        key=_map(Key, ("ticks", "fifths", "minor"), key),
        end_ticks=end,
    )


def _parts(found: Found, warnings: list[str]) -> tuple[tuple[Part, ...], int]:
    """All parts at once: notes of at least a tick, without overlaps, in order; and their end."""
    onset, duration, pitch, velocity = found.onset, found.duration, found.pitch, found.velocity
    sizes, last = found.sizes, 0
    if len(onset):
        if duration.min() < 1:
            short = int(np.count_nonzero(duration < 1))
            warnings.append(f"{many(short, 'note')} of no length made one tick long")
            duration = np.maximum(duration, 1)
        stop = onset + duration
        last = int(stop.max())
        part = np.repeat(np.arange(len(sizes)), sizes)
        in_turn = (stop[:-1] <= onset[1:]) | (part[1:] != part[:-1])
        if not in_turn.all():
            place = (part * (last + 1) + onset) * 128 + pitch
            order = np.argsort(place, kind="stable")
            part, onset, duration, pitch, velocity = (
                column[order] for column in (part, onset, duration, pitch, velocity)
            )
            keep, duration, changed = resolve_overlaps(onset, duration, part * 128 + pitch)
            if changed:
                told = f"{many(changed, 'overlapping note')} of one pitch cut short or left out"
                warnings.append(told)
                sizes = np.bincount(part[keep], minlength=len(sizes)).tolist()
                onset, duration, pitch, velocity = (
                    column[keep] for column in (onset, duration, pitch, velocity)
                )
    for column in (onset, duration, pitch, velocity):
        column.setflags(write=False)
    parts, begin = [], 0
    for (name, program, is_drum), size in zip(found.parts, sizes, strict=True):
        end = begin + size
        parts.append(
            trusted(
                Part,
                name=name,
                program=program,
                is_drum=is_drum,
                onset_ticks=onset[begin:end],
                duration_ticks=duration[begin:end],
                pitch=pitch[begin:end],
                velocity=velocity[begin:end],
            )
        )
        begin = end
    return tuple(parts), last


def _is_tempo(entry: tuple[int, ...]) -> bool:
    return entry[1] > 0


def _is_meter(entry: tuple[int, ...]) -> bool:
    return entry[1] > 0 and 0 < entry[2] <= _MAX_DENOMINATOR


def _is_key(entry: tuple[int, ...]) -> bool:
    return -7 <= entry[1] <= 7 and 0 <= entry[2] <= 1


def _entries(
    entries: Sequence[tuple[int, ...]],
    end: int,
    default: tuple[int, ...] | None,
    is_sane: Callable[[tuple[int, ...]], bool],
    what: str,
    warnings: list[str],
) -> list[tuple[int, ...]]:
    """Entries of a map that can be: from tick 0 on, one for each tick, none after the end."""
    sane = {entry[0]: entry for entry in entries if is_sane(entry) and entry[0] <= end}
    if len(sane) < len(entries):
        impossible = sum(not is_sane(entry) for entry in entries)
        if impossible:
            warnings.append(f"{many(impossible, 'impossible ' + what)} ignored")
    if default and 0 not in sane:
        return [(0, *default), *sane.values()]
    return list(sane.values())


def _map(kind: type[_T], names: tuple[str, ...], entries: list[tuple[int, ...]]) -> _T:
    table = np.array(entries or np.zeros((0, len(names))), np.int64, order="F")
    table.setflags(write=False)
    return trusted(kind, **{name: table[:, i] for i, name in enumerate(names)})
