"""Progressions as text, on the bars of a grid, and by quarter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.chords import (
    NO_CHORD,
    QUALITIES,
    Chord,
    ChordMap,
    format_progression,
    format_symbol,
    parse_progression,
    parse_symbol,
)
from musicvae.config.preset import load_preset
from musicvae.representation.chord_grid import (
    UNKNOWN,
    progression_key,
    quarter_chords,
    repeat_progression,
    transpose_quarters,
)
from musicvae.representation.templates import empty_bars

PRESET = load_preset("melody-2bar")
CHORDS = st.builds(
    Chord, st.integers(-5, 6), st.integers(1, len(QUALITIES) - 1), st.integers(-5, 6)
)


def symbols(text: str) -> list[list[str]]:
    return [[format_symbol(chord) for chord in bar] for bar in parse_progression(text)]


def test_progression_is_read_as_written() -> None:
    assert symbols("C | G/B | Am F | %") == [["C"], ["G/B"], ["Am", "F"], ["Am", "F"]]
    assert symbols("| C / F | | N.C. |") == [["C", "C", "F"], ["C", "C", "F"], ["N.C."]]
    assert symbols("D:min7|G:7 /|/") == [["Dm7"], ["G7", "G7"], ["G7"]]


@pytest.mark.parametrize("text", ["", " | ", "%", "/ | C", "C | what", "C |G Q"])
def test_what_is_no_progression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no chord"):
        parse_progression(text)


@given(st.lists(st.lists(st.one_of(CHORDS, st.just(NO_CHORD)), min_size=1), min_size=1))
def test_progression_comes_back_from_its_text(bars: list[list[Chord]]) -> None:
    written = tuple(tuple(parse_symbol(format_symbol(c))[0] for c in bar) for bar in bars)
    assert parse_progression(format_progression(written)) == written


def ticks_and_labels(text: str, meter: tuple[int, int], n: int, pickup: str = "0") -> list:
    bars = empty_bars(PRESET, n, meter, pickup=Fraction(pickup))
    chords = repeat_progression(parse_progression(text), bars.grid)
    return list(zip(chords.ticks.tolist(), chords.labels(format_symbol), strict=True))


def test_chords_share_a_bar_equally_and_repeat() -> None:
    assert ticks_and_labels("C | F G", (4, 4), 3) == [
        (0, "C"),
        (1920, "F"),
        (2880, "G"),
        (3840, "C"),
    ]
    assert ticks_and_labels("C F", (6, 8), 1) == [(0, "C"), (720, "F")]
    assert ticks_and_labels("C F G", (4, 4), 1) == [(0, "C"), (960, "F"), (1440, "G")]
    assert ticks_and_labels("C", (4, 4), 5) == [(0, "C")]
    assert ticks_and_labels("C | F", (4, 4), 2, pickup="1/4") == [(480, "C"), (2400, "F")]


def test_each_quarter_has_the_chord_at_its_middle() -> None:
    bars = empty_bars(PRESET, 2, (3, 4), pickup=Fraction("1/8"))
    chords = ChordMap.from_chords(
        [(240, parse_symbol("D7/F#")[0]), (1200, NO_CHORD), (2000, parse_symbol("Bbm")[0])]
    )
    found = quarter_chords(chords, bars.grid, 6)
    assert found.shape == (3, 6, 3)
    assert (found[0] == UNKNOWN).all()  # the pickup, before the first entry
    index = {quality.harte: nth for nth, quality in enumerate(QUALITIES)}
    assert found[1].tolist() == [[2, index["7"], 6]] * 2 + [[0, 0, 0]] + [[UNKNOWN] * 3] * 3
    assert found[2, :2].tolist() == [[0, 0, 0], [10, index["min"], 10]]
    moved = transpose_quarters(found, 3)
    assert moved[1, 0].tolist() == [5, index["7"], 9]
    assert np.array_equal(transpose_quarters(moved, -3), found)


def test_key_is_that_of_the_scale_of_the_chords() -> None:
    for text, key in (("C | G | Am | F", 0), ("D | A | Bm | G", 2), ("Bb | F | Gm | Eb", -2)):
        assert progression_key(parse_progression(text)) == key
