"""Assembly of the contents of a MIDI file into a `Song`.

Applies the limits, and adds a warning for every repair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from musicvae.arrays import Ints
from musicvae.io.limits import MAX_QUARTERS, MAX_SILENCE_QUARTERS, check_counts, check_length
from musicvae.io.midi.text import clean_text
from musicvae.io.result import plural
from musicvae.io.stated_chords import StatedChord, outside_warnings
from musicvae.song import (
    ChordMap,
    KeyMap,
    MeterMap,
    Part,
    Song,
    TempoMap,
    construct_unchecked,
    resolve_overlaps,
)

DEFAULT_TEMPO, DEFAULT_METER = (500_000,), (4, 4)  # before the first event of the file
_MAX_DENOMINATOR = 64
_NO_CHORDS = ChordMap.none()
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class MidiContents:
    """Notes and maps of a MIDI file, before repair.

    `parts` has name, program and whether it is drums, `n_notes` the notes of each part. The notes
    of all parts follow one another in four arrays `(M,)` int64, in any order inside a part.
    `tempo` is (tick, microseconds a quarter), `meter` (tick, numerator, denominator), `key`
    (tick, fifths, minor), `chords` (tick, chord), each in order of time;
    `end_ticks` is the tick of the last event. `left_out` has a warning for each kind of event that
    a song does not hold.
    """

    ticks_per_quarter: int
    parts: list[tuple[str, int, bool]]
    n_notes: list[int]
    onset_ticks: Ints
    duration_ticks: Ints
    pitch: Ints
    velocity: Ints
    tempo: Sequence[tuple[int, ...]]
    meter: Sequence[tuple[int, ...]]
    key: Sequence[tuple[int, ...]]
    end_ticks: int
    chords: Sequence[tuple[int, StatedChord]] = ()
    left_out: Sequence[str] = ()


def assemble(contents: MidiContents, warnings: list[str], path: str | Path) -> Song:
    """Build the song; every repair is added to `warnings`.

    Raises `ReadError` for a file over the limits.
    """
    check_counts(len(contents.pitch), len(contents.parts), path)
    tpq = contents.ticks_per_quarter
    parts, last = _build_parts(contents, warnings)
    check_length(last, tpq, path)
    end = max(contents.end_ticks, last)
    if end > last + MAX_SILENCE_QUARTERS * tpq and (end > 2 * last or end > MAX_QUARTERS * tpq):
        warnings.append(f"{plural((end - last) // tpq, 'quarter')} of silence at the end left out")
        end = last
    tempo = _valid_entries(contents.tempo, end, DEFAULT_TEMPO, _is_valid_tempo, "tempo", warnings)
    meter = _valid_entries(
        contents.meter, end, DEFAULT_METER, _is_valid_meter, "time signature", warnings
    )
    key = _valid_entries(contents.key, end, None, _is_valid_key, "key signature", warnings)
    chords = _NO_CHORDS
    if stated := [(tick, chord) for tick, chord in contents.chords if tick < end]:
        chords = ChordMap.from_chords((tick, chord.chord) for tick, chord in stated)
        warnings.extend(outside_warnings(chord for _, chord in stated))
    warnings.extend(contents.left_out)
    return construct_unchecked(
        Song,
        ticks_per_quarter=tpq,
        parts=parts,
        tempo=_build_map(TempoMap, ("ticks", "us_per_quarter"), tempo),
        meter=_build_map(MeterMap, ("ticks", "numerator", "denominator"), meter),
        key=_build_map(KeyMap, ("ticks", "fifths", "minor"), key),
        chords=chords,
        end_ticks=end,
        swing=None,
        has_notated_bars=False,
    )


def _build_parts(contents: MidiContents, warnings: list[str]) -> tuple[tuple[Part, ...], int]:
    """Return all parts, sorted, without overlaps and empty notes; and the end of the last note."""
    onset, duration = contents.onset_ticks, contents.duration_ticks
    pitch, velocity = contents.pitch, contents.velocity
    n_notes, last = contents.n_notes, 0
    if len(onset):
        if duration.min() < 1:
            n_empty = int(np.count_nonzero(duration < 1))
            warnings.append(f"{plural(n_empty, 'note')} of zero length made one tick long")
            duration = np.maximum(duration, 1)
        stop = onset + duration
        last = int(stop.max())
        part = np.repeat(np.arange(len(n_notes)), n_notes)
        is_sequential = (stop[:-1] <= onset[1:]) | (part[1:] != part[:-1])
        if not is_sequential.all():
            sort_key = (part * (last + 1) + onset) * 128 + pitch
            order = np.argsort(sort_key, kind="stable")
            part, onset, duration, pitch, velocity = (
                column[order] for column in (part, onset, duration, pitch, velocity)
            )
            keep, duration, changed = resolve_overlaps(onset, duration, part * 128 + pitch)
            if changed:
                notes = plural(changed, "overlapping note")
                warnings.append(f"{notes} of one pitch shortened or left out")
                n_notes = np.bincount(part[keep], minlength=len(n_notes)).tolist()
                onset, duration, pitch, velocity = (
                    column[keep] for column in (onset, duration, pitch, velocity)
                )
    for column in (onset, duration, pitch, velocity):
        column.setflags(write=False)
    parts, begin = [], 0
    for (name, program, is_drum), count in zip(contents.parts, n_notes, strict=True):
        end = begin + count
        parts.append(
            construct_unchecked(
                Part,
                name=clean_text(name),
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


def _is_valid_tempo(entry: tuple[int, ...]) -> bool:
    """Return whether a tempo is positive."""
    return entry[1] > 0


def _is_valid_meter(entry: tuple[int, ...]) -> bool:
    """Return whether a meter has a numerator and a denominator within the limit."""
    return entry[1] > 0 and 0 < entry[2] <= _MAX_DENOMINATOR


def _is_valid_key(entry: tuple[int, ...]) -> bool:
    """Return whether a key has at most seven accidentals and a known mode."""
    return -7 <= entry[1] <= 7 and 0 <= entry[2] <= 1


def _valid_entries(
    entries: Sequence[tuple[int, ...]],
    end: int,
    default: tuple[int, ...] | None,
    is_valid: Callable[[tuple[int, ...]], bool],
    name: str,
    warnings: list[str],
) -> list[tuple[int, ...]]:
    """Return the valid entries of a map: from tick 0 on, one a tick, none after the end."""
    valid = {entry[0]: entry for entry in entries if is_valid(entry) and entry[0] <= end}
    if len(valid) < len(entries):
        n_invalid = sum(not is_valid(entry) for entry in entries)
        if n_invalid:
            warnings.append(f"{plural(n_invalid, 'invalid ' + name)} ignored")
    if default and 0 not in valid:
        return [(0, *default), *valid.values()]
    return list(valid.values())


def _build_map(kind: type[_T], names: tuple[str, ...], entries: list[tuple[int, ...]]) -> _T:
    """Build a map from its entries, without checks."""
    table = np.array(entries or np.zeros((0, len(names))), np.int64, order="F")
    table.setflags(write=False)
    return construct_unchecked(kind, **{name: table[:, i] for i, name in enumerate(names)})
