"""Corruptions: what each does, and that a window stays a window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.config.corruptions import CORRUPTIONS
from musicvae.data.corruption import (
    BAR,
    DURATION,
    KINDS,
    PART,
    PITCH,
    POSITION,
    WINDOW,
    Ground,
    corrupt,
)
from musicvae.representation.drums import CLASSES

PARTS = ("voice", "chords", "drums")
KIT = [pitch for _, pitch in CLASSES]
Rows = np.ndarray


@st.composite
def windows(draw: st.DrawFn) -> tuple[Rows, Ground]:
    """Windows of three bars, the first perhaps a pickup, the last perhaps not there."""
    W = draw(st.integers(1, 3))
    steps, lead = np.zeros((2, W, 3), np.int64)
    rows = []
    for w in range(W):
        bars = draw(st.integers(1, 3))
        steps[w, :bars] = draw(st.sampled_from([6, 12, 16]))
        lead[w, 0] = draw(st.integers(0, 4))
        for _ in range(draw(st.integers(0, 12))):
            part, bar = draw(st.integers(0, 2)), draw(st.integers(0, bars - 1))
            carry = bar == 0 and draw(st.booleans())
            step = draw(st.integers(int(lead[w, bar]), int(steps[w, bar]) - 1))
            pitch = draw(st.sampled_from(KIT) if part == 2 else st.sampled_from([21, 60, 62, 108]))
            rest = (draw(st.integers(1, 40)), draw(st.integers(1, 127)), draw(st.integers(-40, 40)))
            rows.append((w, bar, 0 if carry else 1 + step, part, pitch, *rest))
    ground = Ground(steps=steps, lead=lead, kinds=PARTS)
    table = np.array(rows, np.int64).reshape(-1, 8)
    # What is drawn becomes a window by the one rule there is, with nothing else done to it.
    return corrupt(table, ground, "dropped", 0.0, np.random.default_rng(0)), ground


def damaged(rows: Rows, ground: Ground, kind: str, amount: float, seed: int = 0) -> Rows:
    return corrupt(rows, ground, kind, amount, np.random.default_rng(seed))


def assert_window(rows: Rows, ground: Ground) -> None:
    keys = [tuple(row[:5]) for row in rows.tolist()]
    assert keys == sorted(set(keys))  # in order, none twice
    for window, bar, position, _, pitch, duration, *_ in rows.tolist():
        assert ground.lead[window, bar] < position <= ground.steps[window, bar] or (
            position == 0 and bar == 0
        )
        assert 21 <= pitch <= 108 and duration >= 1
    start = ground.start(rows)
    assert (start + rows[:, DURATION] <= ground.base[rows[:, WINDOW], -1]).all()
    lines: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for row, begin in zip(rows.tolist(), start.tolist(), strict=True):
        line = (row[WINDOW], row[PART], row[PITCH] if PARTS[row[PART]] != "voice" else 0)
        lines.setdefault(line, []).append((begin, begin + row[DURATION]))
    for spans in lines.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))


@given(windows(), st.sampled_from(CORRUPTIONS), st.floats(0, 1), st.integers(0, 3))
def test_a_window_stays_a_window(given_, kind: str, amount: float, seed: int) -> None:
    rows, ground = given_
    assert_window(rows, ground)
    before = rows.copy()
    found = damaged(rows, ground, kind, amount, seed)
    assert_window(found, ground)
    assert np.array_equal(rows, before)  # the caller's array is his own
    assert np.array_equal(found, damaged(rows, ground, kind, amount, seed))


@given(windows(), st.sampled_from(CORRUPTIONS))
def test_no_amount_is_no_change(given_, kind: str) -> None:
    rows, ground = given_
    assert np.array_equal(damaged(rows, ground, kind, 0.0), rows)
    assert np.array_equal(damaged(rows, ground, "none", 1.0), rows)


def melody(n: int = 64, part: int = 0, pitch: int = 60, duration: int = 2) -> tuple[Rows, Ground]:
    """Many windows of two bars of 4/4, eight notes in a row in each bar, of one part."""
    bars = [(w, b, 1 + 2 * i) for w in range(n) for b in range(2) for i in range(8)]
    rows = np.array([(*at, part, pitch, duration, 80, 5) for at in bars], np.int64)
    shape = np.zeros((n, 2), np.int64)
    return rows, Ground(steps=shape + 16, lead=shape, kinds=PARTS)


def test_wrong_notes_have_another_pitch_and_nothing_else() -> None:
    rows, ground = melody()
    found = damaged(rows, ground, "wrong", 0.25)
    assert np.array_equal(np.delete(found, PITCH, 1), np.delete(rows, PITCH, 1))
    moved = np.abs(found[:, PITCH] - rows[:, PITCH])
    assert 0.2 < (moved > 0).mean() < 0.3 and moved.max() == 6
    assert (damaged(rows, ground, "wrong", 1.0)[:, PITCH] != 60).all()
    drums, ground = melody(part=2, pitch=KIT[4])
    struck = damaged(drums, ground, "wrong", 1.0)[:, PITCH]
    assert set(struck) == set(KIT) - {KIT[4]}


def test_dropped_and_added_notes_are_as_many_as_asked_for() -> None:
    rows, ground = melody(n=128)
    assert len(damaged(rows, ground, "dropped", 0.25)) == pytest.approx(0.75 * len(rows), rel=0.05)
    assert len(damaged(rows, ground, "dropped", 1.0)) == 0
    chords = rows.copy()
    chords[:, PART] = 1
    more = damaged(chords, ground, "added", 0.25)
    assert 1.15 * len(rows) < len(more) <= 1.27 * len(rows)
    kept = {tuple(row[:5]) for row in more.tolist()}
    assert {tuple(row[:5]) for row in chords.tolist()} <= kept


def test_jitter_moves_onsets_by_a_cell_or_two_within_their_bar() -> None:
    rows, ground = melody(n=32, part=1)
    rows[:, PITCH] += np.arange(len(rows)) % 8  # each note can be told by its pitch
    found = damaged(rows, ground, "jitter", 0.5)
    by = {tuple(r[[WINDOW, BAR, PITCH]]): r[POSITION] for r in found}
    moves = np.array([by[tuple(r[[WINDOW, BAR, PITCH]])] - r[POSITION] for r in rows])
    assert set(moves) == {-2, -1, 0, 1, 2}
    assert 0.4 < (moves != 0).mean() < 0.6


def test_cut_notes_are_shorter_and_never_nothing() -> None:
    rows, ground = melody(duration=2)
    found = damaged(rows, ground, "cut", 0.5)
    assert set(found[:, DURATION]) == {1, 2}
    assert np.array_equal(np.delete(found, DURATION, 1), np.delete(rows, DURATION, 1))
    assert (damaged(rows, ground, "cut", 1.0)[:, DURATION] == 1).all()


def test_masked_bars_are_silent_and_others_untouched() -> None:
    rows, ground = melody(n=100)
    found = damaged(rows, ground, "masked", 0.4)
    left = np.bincount(found[:, WINDOW] * 2 + found[:, BAR], minlength=200)
    assert set(left) == {0, 8}
    assert 0.3 < (left == 0).mean() < 0.5


def test_what_sounds_into_a_masked_bar_ends_at_its_line() -> None:
    ground = Ground(steps=np.full((40, 2), 16), lead=np.zeros((40, 2), np.int64), kinds=PARTS)
    rows = np.array([(w, 0, 9, 0, 60, 20, 80, 0) for w in range(40)])
    found = damaged(rows, ground, "masked", 0.5)
    assert set(found[:, DURATION]) == {8, 20} and len(found) < 40


def test_a_transcription_gets_everything_wrong_a_little() -> None:
    rows, ground = melody(n=128, part=1, duration=2)
    found = damaged(rows, ground, "transcription", 0.6)
    old, new = ({tuple(row[:5]) for row in table.tolist()} for table in (rows, found))
    assert 0.3 < len(old & new) / len(old) < 0.8
    assert {48, 72} & set(found[:, PITCH]) and (found[:, DURATION] == 1).mean() > 0.2


def test_every_name_is_known_to_presets() -> None:
    assert tuple(KINDS) == CORRUPTIONS
