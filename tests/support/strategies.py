"""Hypothesis strategies for songs on the stored grid: meters, pickups, ties, unisons, drums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from musicvae.chords import NO_CHORD, QUALITIES, Chord, ChordMap
from musicvae.chords.spelling import pitch_class
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap
from support.songs import part_on_grid

METERS = (
    (4, 4), (3, 4), (2, 4), (1, 4), (6, 8), (3, 8), (9, 8), (12, 8), (5, 8), (7, 8), (3, 2), (2, 2),
)  # fmt: skip
STEPS_PER_QUARTER = 24
TICKS_PER_QUARTER = (24, 96, 480)


def chords() -> st.SearchStrategy[Chord]:
    """Return a strategy for chords of the vocabulary, with usual names, or no chord."""
    names = st.integers(-8, 10)
    stated = st.builds(Chord, names, st.integers(1, len(QUALITIES) - 1), names)
    return st.just(NO_CHORD) | stated.map(_with_plain_bass)


def _with_plain_bass(chord: Chord) -> Chord:
    """Return a chord without a second name of its root as its bass."""
    is_root = pitch_class(chord.bass) == pitch_class(chord.root)
    return replace(chord, bass=chord.root) if is_root else chord


def chord_maps(end: int, step: int) -> st.SearchStrategy[ChordMap]:
    """Return a strategy for chord maps with entries before `end`, at multiples of `step`."""
    ticks = st.integers(0, max(end - 1, 0) // step).map(lambda n: n * step)
    entries = st.lists(st.tuples(ticks, chords()), max_size=6 if end > 0 else 0)
    return entries.map(ChordMap.from_chords)


@st.composite
def parts(draw: st.DrawFn, n_cells: int, ticks_per_cell: int, *, empty: bool = True) -> Part:
    """Draw a part with few pitches, so that notes repeat and overlap; some last for bars."""
    note = st.tuples(
        st.integers(0, max(n_cells - 1, 0)),
        st.one_of(st.integers(1, 30), st.integers(1, 3 * n_cells + 1)),
        st.integers(60, 64),
        st.integers(1, 127),
    )
    return part_on_grid(
        draw(st.lists(note, min_size=0 if empty else 1, max_size=12)),
        ticks_per_cell,
        name=draw(st.sampled_from(["", "Soprano", "Bass", "Flöte"])),
        program=draw(st.integers(0, 127)),
        is_drum=draw(st.booleans()),
    )


@st.composite
def songs(draw: st.DrawFn, *, empty_parts: bool = True, max_parts: int = 4) -> Song:
    """Draw a song whose events all lie on the stored grid."""
    tpq = draw(st.sampled_from(TICKS_PER_QUARTER))
    meters = draw(st.lists(st.sampled_from(METERS), min_size=1, max_size=4))
    changes, now = [], 0
    if draw(st.booleans()):  # a pickup: one short bar before the first full one
        eighths = draw(st.integers(1, 7))
        changes.append((0, eighths, 8))
        now = eighths * tpq // 2
    for numerator, denominator in meters:
        changes.append((now, numerator, denominator))
        bar = 4 * tpq * numerator // denominator
        now += bar * draw(st.integers(1, 3))
        if draw(st.integers(0, 4)) == 0:  # the next meter cuts a bar short
            now += bar // 2 // (tpq // STEPS_PER_QUARTER) * (tpq // STEPS_PER_QUARTER)
    n_cells = now * STEPS_PER_QUARTER // tpq
    ticks, numerators, denominators = np.array(changes, np.int64).T
    tempos = draw(
        st.lists(st.tuples(st.integers(0, now), st.integers(200_000, 1_500_000)), max_size=3)
    )
    keys = draw(
        st.lists(st.tuples(st.integers(0, now), st.integers(-7, 7), st.integers(0, 1)), max_size=2)
    )
    # A file lasts until its last event, so maps end with the song.
    last_change = max([changes[-1][0], *(t for t, _ in tempos), *(t for t, _, _ in keys)])
    one_part = parts(n_cells, tpq // STEPS_PER_QUARTER, empty=empty_parts)
    return Song(
        ticks_per_quarter=tpq,
        parts=tuple(draw(st.lists(one_part, min_size=1, max_size=max_parts))),
        tempo=TempoMap(
            ticks=np.array([t for t, _ in tempos], np.int64),
            us_per_quarter=np.array([us for _, us in tempos], np.int64),
        ),
        meter=MeterMap(ticks=ticks, numerator=numerators, denominator=denominators),
        key=KeyMap(
            ticks=np.array([t for t, _, _ in keys], np.int64),
            fifths=np.array([f for _, f, _ in keys], np.int64),
            minor=np.array([m for _, _, m in keys], np.int64),
        ),
        chords=draw(chord_maps(last_change, tpq // STEPS_PER_QUARTER)),
        end_ticks=max(
            last_change, draw(st.integers(0, now + 4 * tpq))
        ),  # trailing silence, or none
    )
