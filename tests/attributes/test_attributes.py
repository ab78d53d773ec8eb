"""Attributes of windows, with known answers; and what a preset cannot have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.attributes import ATTRIBUTES, unavailable_attributes, window_attributes
from musicvae.attributes.metrical_weight import metrical_weights
from musicvae.cli.commands.steer import ATTRIBUTE_HELP
from musicvae.representation.note_table import PITCH, WINDOW, NoteTable
from musicvae.representation.windows import CARRY
from support.windows import make_table, random_melodies


def one(found: NoteTable, *meters: str) -> dict[str, float]:
    return dict(zip(ATTRIBUTES, window_attributes(found, meters)[0].tolist(), strict=True))


def test_attributes_of_a_scale_in_quarters() -> None:
    # C D E F | C D E F#
    notes = [(0, b, 1 + s, 0, p, 1) for b in range(2) for s, p in enumerate((60, 62, 64, 65 + b))]
    found = one(make_table(notes))
    assert found["density"] == 1 and found["polyphony"] == 1 and found["note_length"] == 1
    assert found["range"] == 6 and found["register"] == pytest.approx(503 / 8)
    assert found["chromaticism"] == 1 / 8 and found["syncopation"] == 0
    assert found["velocity"] == 80
    assert found["repetition"] == pytest.approx((1 + 3 / 4) / 2)


def test_note_held_over_a_stronger_beat_is_syncopated() -> None:
    # Onsets on the second quarter held over the third, which begins a half bar: one level.
    held = one(make_table([(0, 0, 1, 0, 60, 1), (0, 0, 2, 0, 62, 3)], bars=1), "4/4")
    assert held["syncopation"] == pytest.approx((0 + 1) / 2)
    # Over the bar line it is two levels from the fourth quarter.
    tied = one(make_table([(0, 0, 4, 0, 60, 2)]), "4/4")
    assert tied["syncopation"] == 2
    straight = one(make_table([(0, 0, 1, 0, 60, 4), (0, 1, 1, 0, 60, 4)]), "4/4")
    assert straight["syncopation"] == 0


def test_metrical_weights_of_meters() -> None:
    def levels(meter: str, steps: int, quarter: int) -> list[int]:
        found = make_table([], bars=1, steps=steps)
        whole = NoteTable(**{**vars(found), "steps_per_quarter": quarter})
        return metrical_weights(whole, (meter,)).tolist()

    assert levels("4/4", 8, 2) == [0, -3, -2, -3, -1, -3, -2, -3]
    assert levels("3/4", 6, 2) == [0, -3, -2, -3, -2, -3]
    assert levels("6/8", 6, 2) == [0, -3, -3, -1, -3, -3]
    assert levels("9/8", 9, 2) == [0, -3, -3, -2, -3, -3, -2, -3, -3]


def test_note_length_is_relative_to_onset_intervals() -> None:
    staccato = [(0, 0, 1, 0, 60, 1), (0, 0, 3, 0, 60, 1), (0, 1, 1, 0, 60, 1), (0, 1, 3, 0, 60, 1)]
    legato = [(*note[:5], 2) for note in staccato]
    assert (
        one(make_table(staccato))["note_length"] == 0.5
        and one(make_table(legato))["note_length"] == 1
    )
    uneven = [(0, 0, 1, 0, 60, 3), (0, 0, 4, 0, 62, 1), (0, 1, 1, 0, 60, 3), (0, 1, 4, 0, 62, 1)]
    assert one(make_table(uneven))["note_length"] == pytest.approx((20 / 8) / 2)


def test_mode_of_major_and_relative_minor() -> None:
    def of(*pitches: int) -> float:
        notes = [(0, b, 1 + s, 0, p, 1) for b in range(2) for s, p in enumerate(pitches)]
        return one(make_table(notes))["mode"]

    assert of(60, 64, 67, 72) > 0.2 > -0.2 > of(57, 60, 64, 69)


def test_repetition_of_identical_and_different_bars() -> None:
    same = [(0, b, 1 + s, 0, 60 + s, 1) for b in range(2) for s in range(4)]
    rhythm = [(0, b, 1 + s, 0, 60 + s + 7 * b, 1) for b in range(2) for s in range(4)]
    other = [(0, 0, 1, 0, 60, 1), (0, 1, 3, 0, 60, 1)]
    assert [one(make_table(n))["repetition"] for n in (same, rhythm, other)] == [1, 0.5, 0]
    assert np.isnan(one(make_table(same[:4], bars=1))["repetition"])


def test_polyphony_of_chords_and_drums() -> None:
    chord = [(0, 0, 1, 0, p, 2) for p in (60, 64, 67)] + [(0, 0, 3, 0, 60, 1)]
    assert one(make_table(chord, kinds=("chords",)))["polyphony"] == pytest.approx((3 + 3 + 1) / 3)
    kit = [(0, 0, 1, 0, 36, 1, 100, 0), (0, 0, 1, 0, 42, 1, 60, 0), (0, 0, 3, 0, 38, 1, 80, 0)]
    found = one(make_table(kit, kinds=("drums",)))
    assert found["polyphony"] == 1.5 and found["velocity"] == 80
    for name in ("range", "register", "mode", "chromaticism", "note_length"):
        assert np.isnan(found[name])


def test_silent_window_has_only_density() -> None:
    values = window_attributes(make_table([(1, 0, 1, 0, 60, 1)], n=2), ("4/4",))
    assert values[0, 0] == 0 and np.isnan(values[0, 1:]).all() and np.isfinite(values[1, 2])


def test_carry_ins_are_not_onsets() -> None:
    found = one(make_table([(0, 0, CARRY, 0, 40, 2), (0, 0, 3, 0, 60, 1)]))
    assert found["density"] == 1 / 8 and found["register"] == 60


def test_transposition_changes_only_the_register() -> None:
    before = random_melodies(12, seed=1)
    rows = before.rows.copy()
    rows[:, PITCH] += 12
    names = list(ATTRIBUTES)
    a, b = (window_attributes(t, ("4/4",)) for t in (before, before.with_rows(rows)))
    assert np.allclose(b[:, names.index("register")], a[:, names.index("register")] + 12)
    rest = [nth for nth, name in enumerate(names) if name != "register"]
    assert np.allclose(a[:, rest], b[:, rest], equal_nan=True)


@given(st.integers(0, 50))
def test_windows_are_measured_independently(seed: int) -> None:
    many = random_melodies(5, seed=seed, kinds=("voice", "chords", "drums"))
    whole = window_attributes(many, ("4/4",))
    alone = [window_attributes(many.select(np.array([w])), ("4/4",))[0] for w in range(5)]
    assert np.allclose(whole, alone, equal_nan=True)
    order = np.random.default_rng(seed).permutation(len(many.rows))
    rows = many.rows[order]
    rows = rows[np.argsort(rows[:, WINDOW], kind="stable")]
    assert np.allclose(window_attributes(many.with_rows(rows), ("4/4",)), whole, equal_nan=True)
    for nth, each in enumerate(ATTRIBUTES.values()):
        low, high = each.range
        known = whole[:, nth][np.isfinite(whole[:, nth])]
        assert (known >= low).all() and (known <= high).all()


def test_names_select_columns() -> None:
    every, some = (
        window_attributes(random_melodies(3)),
        window_attributes(random_melodies(3), (), ["register", "density"]),
    )
    assert np.array_equal(some, every[:, [2, 0]])


def test_unavailable_attributes() -> None:
    assert set(unavailable_attributes(("voice",), bars=2, velocity=False)) == {
        "polyphony",
        "velocity",
    }
    assert set(unavailable_attributes(("voice", "chords"), bars=4, velocity=True)) == set()
    drums = unavailable_attributes(("drums",), bars=1, velocity=True)
    assert set(drums) == {
        *("range", "register", "mode", "chromaticism", "note_length", "repetition"),
    }
    assert drums["register"] == "drums have no pitch"


def test_steer_command_has_an_option_for_each_attribute() -> None:
    assert list(ATTRIBUTE_HELP) == list(ATTRIBUTES)
