"""Duplicate and near-duplicate songs: detection, and splits that do not separate them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.data.duplicates import MAX_SONGS_PER_BAR, DuplicateFinder, DuplicateGroup
from musicvae.data.fingerprints import fingerprint
from musicvae.data.schema import Row, rows_to_batch, skipped_row, song_to_row
from musicvae.data.shards import Clusters
from musicvae.data.split import SPLITS, split_songs
from musicvae.data.stored_song import StoredSong
from musicvae.representation.bars import Bars
from musicvae.song import Part, Song
from support.songs import line_on_grid, small_band, small_chorale
from support.strategies import songs


def row_of(song: Song, name: str = "", content: bytes = b"") -> Row:
    bars = Bars.from_song(song)
    stored = StoredSong(path=name, bars=bars, fingerprint=fingerprint(bars))
    return song_to_row(stored, (content or name.encode()).ljust(16, b"."))


def found_in(*rows: Row, chunk: int = 3) -> tuple[list[DuplicateGroup], Clusters]:
    with DuplicateFinder() as finder:
        for at in range(0, len(rows), chunk):
            finder.add(rows_to_batch(rows[at : at + chunk]))
        return finder.find()


def clusters(*pieces: Song) -> Clusters:
    return found_in(*(row_of(song, str(i)) for i, song in enumerate(pieces)))[1]


def half(song: Song) -> Song:
    """Return the first half of a chorale."""

    def cut(part: Part) -> Part:
        return part.select(part.onset_ticks < 480 * 17)

    return replace(song, end_ticks=0, parts=tuple(cut(part) for part in song.parts))


def test_duplicates_and_transpositions_form_a_cluster() -> None:
    pieces = [small_chorale(seed=s) for s in range(4)]
    found = clusters(*pieces, small_chorale(seed=1, transpose=4), half(pieces[2]), small_band())
    assert found.head.tolist() == [0, 1, 2, 3, 1, 2, 6]
    assert found.key[1] == found.key[4] != found.key[0]


def test_kinds_of_duplicates() -> None:
    song = small_chorale(seed=1)
    loud = replace(song, parts=tuple(replace(p, velocity=p.velocity * 0 + 99) for p in song.parts))
    groups, _ = found_in(
        row_of(song, "a", b"one"),
        skipped_row("broken", bytes(16), "empty file"),
        row_of(song, "b", b"one"),
        row_of(replace(loud, parts=loud.parts[::-1]), "c", b"two"),
        row_of(small_chorale(seed=1, transpose=-3), "d", b"three"),
        row_of(half(song), "e", b"four"),
        row_of(small_chorale(seed=2), "f", b"five"),
    )
    assert groups == [
        DuplicateGroup("same bytes", [0, 2]),
        DuplicateGroup("same music", [0, 2, 3]),
        DuplicateGroup("transposed", [0, 2, 3, 4]),
        DuplicateGroup("near", [0, 2, 3, 4, 5]),
    ]


def test_common_bars_do_not_join_songs() -> None:
    stock = line_on_grid([60, 64, 67, 64] * 2 + [60, 62, 64, 62] * 2)
    pieces = [
        Song.new([stock, line_on_grid([0] * 16 + (60 + np.arange(n, n + 4) ** 2 % 23).tolist())])
        for n in range(MAX_SONGS_PER_BAR + 2)
    ]
    assert clusters(*pieces).head.tolist() == list(range(MAX_SONGS_PER_BAR + 2))
    assert clusters(*pieces[:4]).head.tolist() == [0] * 4


def test_many_copies_of_a_song_form_one_cluster() -> None:
    copies = [small_chorale(seed=3, transpose=n % 5) for n in range(3 * MAX_SONGS_PER_BAR)]
    found = clusters(small_chorale(seed=1), *copies, half(copies[0]))
    assert found.head.tolist() == [0] + [1] * (3 * MAX_SONGS_PER_BAR + 1)


@given(songs(), st.integers(-5, 5))
def test_fingerprint_is_invariant_to_transposition_and_part_order(song: Song, by: int) -> None:
    bars = Bars.from_song(song)
    if not len(bars.notes):
        return
    moved = [p if p.is_drum else replace(p, pitch=p.pitch + by) for p in song.parts]
    before, after = (
        fingerprint(bars),
        fingerprint(Bars.from_song(replace(song, parts=tuple(moved[::-1])))),
    )
    assert np.array_equal(before.bar_hashes, after.bar_hashes)
    assert before.music_hash == after.music_hash
    melodic = any(len(p) and not p.is_drum for p in song.parts)
    assert after.lowest_pitch - before.lowest_pitch == (by if melodic else 0)


def test_moved_note_changes_the_hash_of_its_bar() -> None:
    song = small_chorale()
    soprano = song.parts[0]
    for column, step in (("pitch", 1), ("duration_ticks", 20), ("onset_ticks", 20)):
        values = getattr(soprano, column).copy()
        values[6] += step
        other = replace(song, parts=(replace(soprano, **{column: values}), *song.parts[1:]))
        one, two = fingerprint(Bars.from_song(song)), fingerprint(Bars.from_song(other))
        assert one.music_hash != two.music_hash
        assert len(np.setdiff1d(one.bar_hashes, two.bar_hashes)) == 1


def test_split_keeps_clusters_together_and_uses_all_splits() -> None:
    found = clusters(*(small_chorale(seed=s // 2, transpose=s % 2 * 3) for s in range(60)))
    place = split_songs(found, seed=1)
    assert all(place[s] == place[s + 1] for s in range(0, 60, 2))
    assert {name: place.count(name) for name in SPLITS} == {"train": 48, "valid": 6, "test": 6}
    assert split_songs(found, seed=1) == place
    assert split_songs(found, seed=2) != place


def test_split_does_not_depend_on_order() -> None:
    pieces = [small_chorale(seed=s // 3, transpose=s % 3) for s in range(30)]
    place, back = split_songs(clusters(*pieces)), split_songs(clusters(*pieces[::-1]))
    assert place == back[::-1]


def test_split_of_few_songs_has_training_songs() -> None:
    assert split_songs(clusters(small_chorale())) == ["train"]
    two_songs = clusters(small_chorale(), small_chorale(seed=1))
    assert sorted(split_songs(two_songs)) == ["train", "valid"]
