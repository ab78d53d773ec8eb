"""Corruptions: the effect of each kind, and validity of the result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.config.corruption_kinds import CORRUPTIONS
from musicvae.data.corruption import KINDS, WindowGrid, corrupt
from musicvae.representation.drums import DRUM_CLASSES
from musicvae.representation.note_table import BAR, DURATION, PART, PITCH, POSITION, WINDOW

PARTS = ("voice", "chords", "drums")
KIT = [pitch for _, pitch in DRUM_CLASSES]
Rows = np.ndarray


@st.composite
def windows(draw: st.DrawFn) -> tuple[Rows, WindowGrid]:
    """Draw windows of up to three bars, the first of which may be a pickup."""
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
    grid = WindowGrid(steps=steps, lead_steps=lead, kinds=PARTS)
    table = np.array(rows, np.int64).reshape(-1, 8)
    # Deleting nothing only sorts the rows and resolves overlaps.
    return corrupt(table, grid, "deletion", 0.0, np.random.default_rng(0)), grid


def corrupted(rows: Rows, grid: WindowGrid, kind: str, amount: float, seed: int = 0) -> Rows:
    return corrupt(rows, grid, kind, amount, np.random.default_rng(seed))


def assert_window(rows: Rows, grid: WindowGrid) -> None:
    keys = [tuple(row[:5]) for row in rows.tolist()]
    assert keys == sorted(set(keys))  # sorted, without duplicates
    for window, bar, position, _, pitch, duration, *_ in rows.tolist():
        assert grid.lead_steps[window, bar] < position <= grid.steps[window, bar] or (
            position == 0 and bar == 0
        )
        assert 21 <= pitch <= 108 and duration >= 1
    start = grid.onset_cells(rows)
    assert (start + rows[:, DURATION] <= grid.cell_offsets[rows[:, WINDOW], -1]).all()
    lines: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for row, begin in zip(rows.tolist(), start.tolist(), strict=True):
        line = (row[WINDOW], row[PART], row[PITCH] if PARTS[row[PART]] != "voice" else 0)
        lines.setdefault(line, []).append((begin, begin + row[DURATION]))
    for spans in lines.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))


@given(windows(), st.sampled_from(CORRUPTIONS), st.floats(0, 1), st.integers(0, 3))
def test_result_is_a_valid_window(given_, kind: str, amount: float, seed: int) -> None:
    rows, grid = given_
    assert_window(rows, grid)
    before = rows.copy()
    found = corrupted(rows, grid, kind, amount, seed)
    assert_window(found, grid)
    assert np.array_equal(rows, before)  # the caller's array is not modified
    assert np.array_equal(found, corrupted(rows, grid, kind, amount, seed))


@given(windows(), st.sampled_from(CORRUPTIONS))
def test_amount_of_zero_changes_nothing(given_, kind: str) -> None:
    rows, grid = given_
    assert np.array_equal(corrupted(rows, grid, kind, 0.0), rows)
    assert np.array_equal(corrupted(rows, grid, "none", 1.0), rows)


def melody(
    n: int = 64, part: int = 0, pitch: int = 60, duration: int = 2
) -> tuple[Rows, WindowGrid]:
    """Return windows of two bars of 4/4 with eight consecutive notes per bar in one part."""
    bars = [(w, b, 1 + 2 * i) for w in range(n) for b in range(2) for i in range(8)]
    rows = np.array([(*at, part, pitch, duration, 80, 5) for at in bars], np.int64)
    shape = np.zeros((n, 2), np.int64)
    return rows, WindowGrid(steps=shape + 16, lead_steps=shape, kinds=PARTS)


def test_pitch_substitution_changes_pitches_alone() -> None:
    rows, grid = melody()
    found = corrupted(rows, grid, "pitch_substitution", 0.25)
    assert np.array_equal(np.delete(found, PITCH, 1), np.delete(rows, PITCH, 1))
    moved = np.abs(found[:, PITCH] - rows[:, PITCH])
    assert 0.2 < (moved > 0).mean() < 0.3 and moved.max() == 6
    assert (corrupted(rows, grid, "pitch_substitution", 1.0)[:, PITCH] != 60).all()
    drums, grid = melody(part=2, pitch=KIT[4])
    pitches = corrupted(drums, grid, "pitch_substitution", 1.0)[:, PITCH]
    assert set(pitches) == set(KIT) - {KIT[4]}


def test_share_of_deleted_and_inserted_notes() -> None:
    rows, grid = melody(n=128)
    assert len(corrupted(rows, grid, "deletion", 0.25)) == pytest.approx(0.75 * len(rows), rel=0.05)
    assert len(corrupted(rows, grid, "deletion", 1.0)) == 0
    chords = rows.copy()
    chords[:, PART] = 1
    more = corrupted(chords, grid, "insertion", 0.25)
    assert 1.15 * len(rows) < len(more) <= 1.27 * len(rows)
    kept = {tuple(row[:5]) for row in more.tolist()}
    assert {tuple(row[:5]) for row in chords.tolist()} <= kept


def test_onset_jitter_moves_onsets_by_up_to_two_steps() -> None:
    rows, grid = melody(n=32, part=1)
    rows[:, PITCH] += np.arange(len(rows)) % 8  # identifies each note by its pitch
    found = corrupted(rows, grid, "onset_jitter", 0.5)
    by = {tuple(r[[WINDOW, BAR, PITCH]]): r[POSITION] for r in found}
    moves = np.array([by[tuple(r[[WINDOW, BAR, PITCH]])] - r[POSITION] for r in rows])
    assert set(moves) == {-2, -1, 0, 1, 2}
    assert 0.4 < (moves != 0).mean() < 0.6


def test_truncated_notes_keep_at_least_one_step() -> None:
    rows, grid = melody(duration=2)
    found = corrupted(rows, grid, "truncation", 0.5)
    assert set(found[:, DURATION]) == {1, 2}
    assert np.array_equal(np.delete(found, DURATION, 1), np.delete(rows, DURATION, 1))
    assert (corrupted(rows, grid, "truncation", 1.0)[:, DURATION] == 1).all()


def test_bar_mask_silences_whole_bars() -> None:
    rows, grid = melody(n=100)
    found = corrupted(rows, grid, "bar_mask", 0.4)
    left = np.bincount(found[:, WINDOW] * 2 + found[:, BAR], minlength=200)
    assert set(left) == {0, 8}
    assert 0.3 < (left == 0).mean() < 0.5


def test_notes_end_at_the_bar_line_of_a_masked_bar() -> None:
    steps, no_lead = np.full((40, 2), 16), np.zeros((40, 2), np.int64)
    grid = WindowGrid(steps=steps, lead_steps=no_lead, kinds=PARTS)
    rows = np.array([(w, 0, 9, 0, 60, 20, 80, 0) for w in range(40)])
    found = corrupted(rows, grid, "bar_mask", 0.5)
    assert set(found[:, DURATION]) == {8, 20} and len(found) < 40


def test_transcription_errors_are_of_all_kinds() -> None:
    rows, grid = melody(n=128, part=1, duration=2)
    found = corrupted(rows, grid, "transcription", 0.6)
    old, new = ({tuple(row[:5]) for row in table.tolist()} for table in (rows, found))
    assert 0.3 < len(old & new) / len(old) < 0.8
    assert {48, 72} & set(found[:, PITCH]) and (found[:, DURATION] == 1).mean() > 0.2


def test_kinds_are_those_of_presets() -> None:
    assert tuple(KINDS) == CORRUPTIONS
