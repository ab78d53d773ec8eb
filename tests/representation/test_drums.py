"""Kits folded to nine classes, and back to General MIDI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musicvae.io import read
from musicvae.representation.drums import (
    CLASSES,
    INSTRUMENTS,
    NO_CLASS,
    canonical,
    fold,
    table,
    unfold,
)

ROOT = Path(__file__).parents[2]
GROOVE = ROOT.parent / "shared" / "data" / "groove"


def test_the_nine_that_stand_for_a_class_come_back() -> None:
    pitches = [pitch for _, pitch in CLASSES]
    assert fold(pitches).tolist() == list(range(9))
    assert unfold(fold(pitches)).tolist() == pitches
    assert unfold([]).tolist() == []


def test_all_of_general_midi_is_known_and_all_else_has_no_class() -> None:
    assert set(range(27, 88)) <= set(INSTRUMENTS)
    index = fold(np.arange(128))
    assert {int(p) for p in np.flatnonzero(index == NO_CLASS)} == {
        *range(22), 23, 24, 71, 72, *range(88, 128),
    }  # fmt: skip
    assert canonical([71, 100]).tolist() == [NO_CLASS, NO_CLASS]


def test_folding_twice_is_folding_once_and_keeps_the_shape() -> None:
    known = np.array(sorted(p for p, (_, c) in INSTRUMENTS.items() if c != NO_CLASS)).reshape(2, -1)
    once = canonical(known)
    assert once.shape == known.shape
    assert np.array_equal(canonical(once), once)


@pytest.mark.parametrize(
    ("pitch", "name"),
    [
        (35, "kick"), (40, "snare"), (37, "snare"), (39, "snare"), (22, "closed hi-hat"),
        (44, "closed hi-hat"), (26, "open hi-hat"), (41, "low tom"), (58, "low tom"),
        (45, "mid tom"), (48, "high tom"), (55, "crash"), (52, "crash"), (57, "crash"),
        (53, "ride"), (59, "ride"), (64, "low tom"), (60, "high tom"), (70, "closed hi-hat"),
    ],
)  # fmt: skip
def test_instruments_find_their_class(pitch: int, name: str) -> None:
    assert CLASSES[int(fold(pitch))][0] == name


def test_the_table_in_the_docs_is_the_one_of_the_code() -> None:
    assert table() in (ROOT / "docs" / "drums.md").read_text("utf-8")


def test_every_pitch_of_the_groove_takes_has_a_class() -> None:
    if not GROOVE.is_dir():
        pytest.skip("the groove takes are not here")
    takes = sorted(GROOVE.rglob("*.mid"))
    heard = np.zeros(128, np.int64)
    for take in takes[::5]:
        for part in read(take).parts:
            assert part.is_drum
            heard += np.bincount(part.pitch, minlength=128)
    unmapped = np.flatnonzero((heard > 0) & (fold(np.arange(128)) == NO_CLASS))
    assert heard.sum() > 50_000
    assert unmapped.tolist() == []
