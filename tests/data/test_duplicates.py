"""Songs that are the same or alike: told, and kept on one side of the split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.data.duplicates import COMMON, Finder, Group
from musicvae.data.fingerprints import marks
from musicvae.data.schema import Row, kept_row, pack, skipped_row
from musicvae.data.shards import Clusters
from musicvae.data.split import SPLITS, split
from musicvae.data.stored_song import StoredSong
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.small_songs import band, chorale, voice
from support.strategies import songs


def row_of(song: Song, name: str = "", content: bytes = b"") -> Row:
    bars = Bars.from_song(song)
    stored = StoredSong(path=name, bars=bars, marks=marks(bars))
    return kept_row(stored, (content or name.encode()).ljust(16, b"."))


def found_in(*rows: Row, chunk: int = 3) -> tuple[list[Group], Clusters]:
    with Finder() as finder:
        for at in range(0, len(rows), chunk):
            finder.add(pack(rows[at : at + chunk]))
        return finder.find()


def clusters(*pieces: Song) -> Clusters:
    return found_in(*(row_of(song, str(i)) for i, song in enumerate(pieces)))[1]


def half(song: Song) -> Song:
    """The first half of a chorale."""

    def cut(part: Part) -> Part:
        return part.take(part.onset_ticks < 480 * 17)

    return replace(song, end_ticks=0, parts=tuple(cut(part) for part in song.parts))


def test_duplicates_and_transpositions_are_one_cluster() -> None:
    pieces = [chorale(seed=s) for s in range(4)]
    found = clusters(*pieces, chorale(seed=1, transpose=4), half(pieces[2]), band())
    assert found.head.tolist() == [0, 1, 2, 3, 1, 2, 6]
    assert found.key[1] == found.key[4] != found.key[0]


def test_each_kind_of_duplicate_has_its_name() -> None:
    song = chorale(seed=1)
    loud = replace(song, parts=tuple(replace(p, velocity=p.velocity * 0 + 99) for p in song.parts))
    groups, _ = found_in(
        row_of(song, "a", b"one"),
        skipped_row("broken", bytes(16), "empty file"),
        row_of(song, "b", b"one"),
        row_of(replace(loud, parts=loud.parts[::-1]), "c", b"two"),
        row_of(chorale(seed=1, transpose=-3), "d", b"three"),
        row_of(half(song), "e", b"four"),
        row_of(chorale(seed=2), "f", b"five"),
    )
    assert groups == [
        Group("same bytes", [0, 2]),
        Group("same music", [0, 2, 3]),
        Group("transposed", [0, 2, 3, 4]),
        Group("near", [0, 2, 3, 4, 5]),
    ]


def test_bars_that_many_songs_have_do_not_make_them_one() -> None:
    stock = voice([60, 64, 67, 64] * 2 + [60, 62, 64, 62] * 2)
    pieces = [
        Song.new([stock, voice([0] * 16 + (60 + np.arange(n, n + 4) ** 2 % 23).tolist())])
        for n in range(COMMON + 2)
    ]
    assert clusters(*pieces).head.tolist() == list(range(COMMON + 2))
    assert clusters(*pieces[:4]).head.tolist() == [0] * 4


def test_many_copies_of_a_song_are_one_cluster() -> None:
    copies = [chorale(seed=3, transpose=n % 5) for n in range(3 * COMMON)]
    found = clusters(chorale(seed=1), *copies, half(copies[0]))
    assert found.head.tolist() == [0] + [1] * (3 * COMMON + 1)


@given(songs(), st.integers(-5, 5))
def test_marks_are_blind_to_transposition_and_order(song: Song, by: int) -> None:
    bars = Bars.from_song(song)
    if not len(bars.notes):
        return
    moved = [p if p.is_drum else replace(p, pitch=p.pitch + by) for p in song.parts]
    before, after = marks(bars), marks(Bars.from_song(replace(song, parts=tuple(moved[::-1]))))
    assert np.array_equal(before.bars, after.bars)
    assert before.music == after.music
    melodic = any(len(p) and not p.is_drum for p in song.parts)
    assert after.lowest - before.lowest == (by if melodic else 0)


def test_a_note_that_moves_is_another_bar() -> None:
    song = chorale()
    soprano = song.parts[0]
    for column, step in (("pitch", 1), ("duration_ticks", 20), ("onset_ticks", 20)):
        values = getattr(soprano, column).copy()
        values[6] += step
        other = replace(song, parts=(replace(soprano, **{column: values}), *song.parts[1:]))
        one, two = marks(Bars.from_song(song)), marks(Bars.from_song(other))
        assert one.music != two.music
        assert len(np.setdiff1d(one.bars, two.bars)) == 1


def test_no_cluster_is_divided_and_all_splits_are_used() -> None:
    found = clusters(*(chorale(seed=s // 2, transpose=s % 2 * 3) for s in range(60)))
    place = split(found, seed=1)
    assert all(place[s] == place[s + 1] for s in range(0, 60, 2))
    assert {name: place.count(name) for name in SPLITS} == {"train": 48, "valid": 6, "test": 6}
    assert split(found, seed=1) == place
    assert split(found, seed=2) != place


def test_the_split_follows_content_not_order() -> None:
    pieces = [chorale(seed=s // 3, transpose=s % 3) for s in range(30)]
    place, back = split(clusters(*pieces)), split(clusters(*pieces[::-1]))
    assert place == back[::-1]


def test_few_songs_still_have_something_to_learn_from() -> None:
    assert split(clusters(chorale())) == ["train"]
    assert sorted(split(clusters(chorale(), chorale(seed=1)))) == ["train", "valid"]
