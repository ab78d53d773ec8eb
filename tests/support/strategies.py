"""Songs for property tests: any meters, pickups, ties, unisons, drums, silence. On the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap, resolve_overlaps

METERS = (
    (4, 4), (3, 4), (2, 4), (1, 4), (6, 8), (3, 8), (9, 8), (12, 8), (5, 8), (7, 8), (3, 2), (2, 2),
)  # fmt: skip
CELLS = 24  # stored steps of a quarter
TICKS_PER_QUARTER = (24, 96, 480)


def part_on_grid(notes: list[tuple[int, int, int, int]], ticks_per_cell: int = 1, **kind: Any) -> Part:
    """A part from (start, duration, pitch, velocity) in cells; overlaps follow the one rule."""
    table = np.array(notes, np.int64).reshape(-1, 4)
    onset, duration, pitch, velocity = table.T
    keep, duration, _ = resolve_overlaps(onset, duration, pitch)
    return Part(
        **kind,
        onset_ticks=onset[keep] * ticks_per_cell,
        duration_ticks=duration[keep] * ticks_per_cell,
        pitch=pitch[keep],
        velocity=velocity[keep],
    )


@st.composite
def parts(draw: st.DrawFn, n_cells: int, ticks_per_cell: int, *, empty: bool = True) -> Part:
    """One part. Few pitches, so that notes repeat and meet; some last for bars."""
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
    """A song whose every event lies on the stored grid."""
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
            now += bar // 2 // (tpq // CELLS) * (tpq // CELLS)
    n_cells = now * CELLS // tpq
    ticks, numerators, denominators = np.array(changes, np.int64).T
    tempos = draw(
        st.lists(st.tuples(st.integers(0, now), st.integers(200_000, 1_500_000)), max_size=3)
    )
    keys = draw(
        st.lists(st.tuples(st.integers(0, now), st.integers(-7, 7), st.integers(0, 1)), max_size=2)
    )
    # A file lasts until its last event, so maps end with the song.
    last_change = max([changes[-1][0], *(t for t, _ in tempos), *(t for t, _, _ in keys)])
    one_part = parts(n_cells, tpq // CELLS, empty=empty_parts)
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
        end_ticks=max(
            last_change, draw(st.integers(0, now + 4 * tpq))
        ),  # trailing silence, or none
    )
