"""The quick measure by which a model is chosen for songs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from musicvae import Bars, MusicVAE
from musicvae.latent.encoding import Encoding
from musicvae.song import Song
from musicvae.tools.reconstruction import N_BARS, quick_f1
from support.songs import band_song, chorale_song


class Stub:
    """A codec that encodes a song as nothing, and decodes what `decoded` makes of it."""

    def __init__(self, model: MusicVAE, decoded) -> None:
        self.model, self.decoded, self.songs = model, decoded, list[Song]()

    def encode(self, song: Song) -> Encoding:
        self.songs.append(song)
        return self.model.encode(song)

    def decode(self, encoding: Encoding) -> Song:
        assert encoding.n_passthrough == 0
        return self.decoded(self.songs[-1])


def without_first_part(song: Song) -> Song:
    return replace(song, parts=(song.parts[0].select(slice(0)), *song.parts[1:]))


def test_f1_counts_notes_that_come_back(model: MusicVAE) -> None:
    bars = Bars.from_song(band_song(bars=8))
    assert quick_f1(Stub(model, lambda song: song), [bars]) == 1.0
    song = bars.to_song()
    kept = 1 - len(song.parts[0]) / song.n_notes
    found = quick_f1(Stub(model, without_first_part), [bars])
    assert found == pytest.approx(2 * kept / (1 + kept), abs=0.02)
    silent = lambda song: replace(song, parts=tuple(p.select(slice(0)) for p in song.parts))  # noqa: E731
    assert quick_f1(Stub(model, silent), [bars]) == 0.0
    assert 0 <= quick_f1(model, [bars]) < 1  # drums pass through, which counts as missed


def test_only_the_first_bars_of_a_few_songs_are_measured(model: MusicVAE) -> None:
    stub = Stub(model, lambda song: song)
    songs = [Bars.from_song(chorale_song(bars=40, seed=nth)) for nth in range(9)]
    assert quick_f1(stub, songs) == 1.0
    assert len(stub.songs) == 4
    assert all(len(Bars.from_song(song)) == N_BARS for song in stub.songs)
