"""Variations: distance by amount, and what stays."""

from __future__ import annotations

import pytest

from experiments.distances import note_distance, onset_cells
from musicvae.errors import ConfigError, DataError
from musicvae.song import Part, Song
from musicvae.tools.vary import bar_labels
from support.songs import band_song, chorale_song, part_on_grid


def test_amount_0_is_the_reconstruction_and_more_is_further(model) -> None:
    song = chorale_song(bars=9, meter=(3, 4), pickup=1)
    assert model.vary(song, amount=0) == model.reconstruct(song)
    base = onset_cells(model.reconstruct(song))
    near, far = (
        note_distance(base, onset_cells(model.vary(song, amount=amount, seed=2)))
        for amount in (0.05, 1.0)
    )
    assert near < far
    one, again, other = (model.vary(song, seed=seed) for seed in (1, 1, 2))
    assert one == again and one != other
    assert one.end_ticks == song.end_ticks and one.meter == song.meter and one.tempo == song.tempo
    assert [part.name for part in one.parts] == [part.name for part in song.parts]


def silent_and_drum_songs() -> list[Song]:
    return [
        Song.new([Part.empty("A")], end_ticks=1920),
        Song.new([part_on_grid([(0, 6, 36, 90)], 20, is_drum=True)]),
    ]


@pytest.mark.parametrize(
    ("song", "reason"),
    [*zip(silent_and_drum_songs(), ("has no notes", "no notes that preset tiny"), strict=True)],
    ids=["silent", "drums"],
)
def test_songs_without_representable_notes_are_refused(model, song, reason) -> None:
    with pytest.raises(DataError, match=reason):
        model.vary(song)


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_invalid_amounts_are_refused(model, amount) -> None:
    with pytest.raises(ConfigError, match="amount"):
        model.vary(band_song(), amount=amount)


def test_recurring_bars_have_one_label(model) -> None:
    notes = [(24 * i, 24, 60 + (i % 8) ** 2 % 11, 80) for i in range(32)]  # two bars, four times
    song = Song.new([part_on_grid(notes, 20)], end_ticks=480 * 32)
    assert bar_labels(song, model).tolist() == [0, 1] * 4
