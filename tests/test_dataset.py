from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import band, chorale
from hypothesis import given, settings
from strategies import songs
from test_bars import same_grid, same_notes

from musicvae.bars import Bars
from musicvae.config import load_preset
from musicvae.dataset import Shards, Windows, prepare, prepare_cached
from musicvae.dataset.shards import StoredSong, fingerprints, write_index, write_shard
from musicvae.dataset.split import SPLITS, clusters, split
from musicvae.dataset.windows import WindowCutter, sources_of
from musicvae.errors import DataError
from musicvae.song import Ints, Part, Song

TINY = load_preset("tiny")


def prints(*songs: Song) -> list[Ints]:
    return [fingerprints(Bars.from_song(song)) for song in songs]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# -- prepare --------------------------------------------------------------------------------------


def test_every_file_is_accounted_for(midi_folder: Path, tmp_path: Path) -> None:
    (midi_folder / "broken.mid").write_bytes(b"MThd")
    (midi_folder / "notes.txt").write_text("no music")
    (midi_folder / ".hidden").write_text("")
    (midi_folder / "README.md").write_text("read me")
    Song.new(end_ticks=480).save(midi_folder / "silent.mid")
    steps: list[tuple[int, int]] = []
    report = prepare(
        midi_folder, tmp_path / "out", progress=lambda done, total: steps.append((done, total))
    )
    assert report.files == 15 == report.kept + len(report.skipped)
    assert {entry["path"]: entry["reason"] for entry in report.skipped} == {
        ".hidden": "empty file",
        "README.md": "not a MIDI file (no MThd header)",
        "broken.mid": "truncated in its header",
        "notes.txt": "not a MIDI file (no MThd header)",
        "silent.mid": "no notes",
    }
    assert steps == [(i + 1, 15) for i in range(15)]
    assert report.bars == 10 * 9
    assert report.windows == 10 * 9
    assert report.notes == 10 * 4 * 33
    assert (report.moved, report.merged) == (0, 0)
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["skipped"] == report.skipped
    assert written["files"] == 15


def test_what_is_prepared_is_what_was_read(midi_folder: Path, tmp_path: Path) -> None:
    prepare(midi_folder, tmp_path / "out")
    stored = list(Shards(tmp_path / "out"))
    assert len(stored) == len(Shards(tmp_path / "out")) == 10
    assert [song.path for song in stored] == sorted(song.path for song in stored)
    for song in stored:
        assert song.bars.to_song() == Song.read(midi_folder / song.path)
        assert np.array_equal(song.fingerprints, fingerprints(song.bars))


@settings(max_examples=25)
@given(songs())
def test_a_shard_keeps_any_song(tmp_path_factory: pytest.TempPathFactory, song: Song) -> None:
    folder = tmp_path_factory.mktemp("shard")
    bars = [Bars.from_song(song), Bars.from_song(song).at(4)]
    entries = [
        StoredSong(path=str(i), bars=b, fingerprints=fingerprints(b)) for i, b in enumerate(bars)
    ]
    write_shard(folder / "one.arrow", entries)
    write_index(folder, {"shards": ["one.arrow"]})
    for before, after in zip(entries, Shards(folder), strict=True):
        assert after.path == before.path
        assert after.bars.frame == before.bars.frame
        assert same_notes(after.bars.notes, before.bars.notes)
        assert same_grid(after.bars.grid, before.bars.grid)
        assert (after.bars.moved, after.bars.merged) == (before.bars.moved, before.bars.merged)


def test_same_files_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    for seed in range(34):
        chorale(seed=seed, bars=2).save(folder / f"{seed:02d}.mid")
    (folder / "07.mid").write_bytes(b"broken")
    one = prepare(folder, tmp_path / "one", workers=1)
    two = prepare(folder, tmp_path / "two", workers=2)
    assert one == two
    assert one.kept == 33
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


def test_nothing_usable_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    folder.mkdir()
    with pytest.raises(DataError, match=r"empty folder.*corpus export"):
        prepare(folder, tmp_path / "out")
    (folder / "README.md").write_text("put MIDI here")
    with pytest.raises(DataError, match="empty folder"):
        prepare(folder, tmp_path / "out")
    (folder / "a.mid").write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable bar in 2 files"):
        prepare(folder, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="is a file"):
        prepare(folder / "a.mid", tmp_path / "out")
    with pytest.raises(DataError, match="not a prepared folder"):
        Shards(tmp_path / "out")


def test_a_crash_leaves_no_dataset_behind(midi_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(midi_folder, out)

    def crash(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(midi_folder, out, progress=crash)
    with pytest.raises(DataError, match="not a prepared folder"):
        Shards(out)


def test_another_format_is_refused_by_name(midi_folder: Path, tmp_path: Path) -> None:
    prepare(midi_folder, tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(DataError, match="prepared in format 99"):
        Shards(tmp_path)


def test_the_cache_is_used_again_and_notices_changes(midi_folder: Path) -> None:
    first = prepare_cached(midi_folder)
    stamp = (first / "index.json").stat().st_mtime_ns
    assert prepare_cached(midi_folder) == first
    assert (first / "index.json").stat().st_mtime_ns == stamp
    assert prepare_cached(first) == first
    shutil.copy(midi_folder / "song0.mid", midi_folder / "song9.mid")
    second = prepare_cached(midi_folder)
    assert second != first
    assert len(Shards(second)) == 11


# -- split ----------------------------------------------------------------------------------------


def test_duplicates_and_transpositions_are_one_cluster() -> None:
    pieces = [chorale(seed=s) for s in range(4)]
    transposed = chorale(seed=1, transpose=4)
    half = replace(pieces[2], end_ticks=0, parts=tuple(_first_half(p) for p in pieces[2].parts))
    found = clusters(prints(*pieces, transposed, half, band()))
    assert found == [0, 1, 2, 3, 1, 2, 6]


def _first_half(part: Part) -> Part:
    mine = part.onset_ticks < 480 * 17
    columns = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    return part.with_notes(*(getattr(part, c)[mine] for c in columns))


def test_no_cluster_is_divided_and_all_splits_are_used() -> None:
    pieces = [chorale(seed=s // 2, transpose=s % 2 * 3) for s in range(60)]
    marks = prints(*pieces)
    names = [str(s) for s in range(60)]
    place = split(marks, names, seed=1)
    assert all(place[s] == place[s + 1] for s in range(0, 60, 2))
    assert {name: place.count(name) for name in SPLITS} == {"train": 48, "valid": 6, "test": 6}
    assert split(marks, names, seed=1) == place
    assert split(marks, names, seed=2) != place


def test_the_split_follows_content_not_order() -> None:
    pieces = [chorale(seed=s) for s in range(30)]
    names = [str(s) for s in range(30)]
    place = dict(zip(names, split(prints(*pieces), names), strict=True))
    back = dict(zip(names[::-1], split(prints(*pieces[::-1]), names[::-1]), strict=True))
    assert place == back


def test_few_songs_still_have_something_to_learn_from() -> None:
    assert split(prints(chorale()), ["a"]) == ["train"]
    two = split(prints(chorale(), chorale(seed=1)), ["a", "b"])
    assert sorted(two) == ["train", "valid"]


# -- windows --------------------------------------------------------------------------------------


def test_splits_share_no_song_and_miss_none(midi_folder: Path) -> None:
    every = Windows(midi_folder, TINY, split="all").songs
    apart = [Windows(midi_folder, TINY, split=s).songs for s in ("train", "valid")]
    assert sorted(apart[0] + apart[1]) == every
    assert not set(apart[0]) & set(apart[1])


def test_an_item_is_the_batch_of_one(midi_folder: Path) -> None:
    windows = Windows(midi_folder, TINY, split="all")
    batch = windows.batch([0, 5, len(windows) - 1])
    for row, index in enumerate((0, 5, len(windows) - 1)):
        item = windows[index]
        width = batch.notes.shape[1]
        assert torch.equal(item.notes[:width], batch.notes[row])
        assert item.notes[width:].abs().sum() == 0
        for name in batch._fields[1:]:
            assert torch.equal(getattr(item, name), getattr(batch, name)[row]), name
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_any_loader_of_torch_will_do(midi_folder: Path) -> None:
    windows = Windows(midi_folder, TINY, split="all")
    loader = torch.utils.data.DataLoader(windows, batch_size=16)
    assert sum(len(batch.notes) for batch in loader) == len(windows)


def test_windows_hop_one_bar_in_training_and_a_window_in_encoding(midi_folder: Path) -> None:
    n_bars = 9
    assert len(Windows(midi_folder, TINY, split="all")) == 10 * n_bars
    assert len(Windows(midi_folder, TINY, split="all", hop=2)) == 10 * -(-n_bars // 2)


def test_a_window_past_the_end_is_padded_and_a_pickup_is_masked() -> None:
    cutter = WindowCutter(sources_of(Bars.from_song(chorale()), TINY)[0], TINY)
    batch = cutter.batch(np.array([0, 0]), np.array([0, 8]))
    assert batch.lead.tolist() == [[12, 0], [0, 0]]
    assert batch.steps.tolist() == [[16, 16], [16, 0]]
    assert batch.meter.tolist() == [[1, 1], [1, 0]]
    assert batch.n_bars.tolist() == [2, 1]
    assert batch.notes[0, 0, :4].tolist() == [0, 13, 0, batch.notes[0, 0, 3]]


def test_a_window_ends_with_its_song_whatever_comes_next() -> None:
    both = [chorale(), chorale(seed=5, transpose=2)]
    sources = [sources_of(Bars.from_song(song), TINY)[0][0] for song in both]
    together = WindowCutter(sources, TINY)
    for row, song in enumerate(both):
        first = np.arange(9)
        one = cutter_of(song).batch(np.zeros(9, np.int64), first)
        among = together.batch(np.full(9, row), first)
        for name in one._fields:
            assert torch.equal(getattr(one, name), getattr(among, name)), name


def test_pitches_are_normalised_by_key_and_moved_by_shift() -> None:
    plain = cutter_of(chorale())
    up = cutter_of(chorale(transpose=3))
    one, other = (w.batch(np.array([0]), np.array([2])) for w in (plain, up))
    assert torch.equal(one.notes, other.notes)
    assert (other.key - one.key).tolist() in ([3], [-9])
    moved = plain.batch(np.array([0]), np.array([2]), shift=np.array([2]))
    n = int(one.n_notes[0])
    assert torch.equal(moved.notes[0, :n, 3], one.notes[0, :n, 3] - 2)
    assert (moved.key - one.key).tolist() == [2]


def cutter_of(song: Song) -> WindowCutter:
    return WindowCutter(sources_of(Bars.from_song(song), TINY)[0], TINY)


def test_key_and_notes_give_the_song_back() -> None:
    song = chorale(transpose=-4)
    bars = Bars.from_song(song).at(4)
    batch = cutter_of(song).batch(np.zeros(5, np.int64), np.arange(0, 9, 2))
    seen = [
        (int(pitch + key), int(velocity))
        for row, count, key in zip(batch.notes, batch.n_notes, batch.key, strict=True)
        for _, position, _, pitch, _, velocity in row[:count]
        if position > 0
    ]
    notes = zip(bars.notes.pitch.tolist(), bars.notes.velocity.tolist(), strict=True)
    assert sorted(seen) == sorted(notes)


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    for seed in range(3):
        chorale(seed=seed).save(folder / f"{seed}.mid")
    band().save(folder / "band.mid")
    Song.new(chorale(seed=9).parts, meter=(5, 2)).save(folder / "long-bars.mid")
    silence = replace(chorale(seed=7), end_ticks=480 * 4 * 20)
    silence.save(folder / "silence.mid")
    windows = Windows(folder, TINY, split="all")
    assert windows.n_untouched == len(band().parts[2])
    assert windows.left_out["with a bar of over 24 cells"] == 4
    assert windows.left_out["without a note"] == 21 - 9
    every = windows.batch(np.arange(len(windows)))
    assert int(every.steps.max()) <= TINY.grid.max_steps
    assert int(every.n_notes.min()) > 0
    counts = windows.counts()
    assert counts["songs"] == 6
    assert counts["windows"] == len(windows)


def test_nothing_for_a_preset_is_an_error(tmp_path: Path) -> None:
    drums = Song.new([band().parts[2]])
    drums.save(tmp_path / "midi" / "drums.mid")
    with pytest.raises(DataError, match="no song of the train split fits preset tiny"):
        Windows(tmp_path / "midi", "tiny")
