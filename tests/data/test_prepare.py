"""Preparation of a folder: shards, report, hostile files, interruption and cache."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from musicvae.chords import Chord, ChordMap
from musicvae.data import PrepareReport, Shards
from musicvae.data import prepare as module
from musicvae.data.counts import Counts
from musicvae.data.discover import files_under, scan_folder
from musicvae.data.fingerprints import fingerprint
from musicvae.data.prepare import ReaderPool, prepare, prepare_cached, prepare_with
from musicvae.data.sandbox import Limits
from musicvae.data.schema import batch_to_rows, row_to_song, rows_to_batch, skipped_row, song_to_row
from musicvae.data.stored_song import StoredSong, read_stored_song
from musicvae.errors import DataError, ReadError, WriteError
from musicvae.harmony import estimate_chords
from musicvae.io import expand, read, write
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars
from musicvae.song import Song
from support import hostile
from support.equality import grids_equal, notes_equal
from support.songs import small_band, small_chorale
from support.strategies import songs

LIMITS = Limits(seconds=2.0, memory_bytes=512 << 20)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def chorales(folder: Path, number: int, bars: int = 2) -> Path:
    for seed in range(number):
        write(small_chorale(seed=seed, bars=bars), folder / f"{seed:03d}.mid")
    return folder


def prepare_hostile(source: Path, out: Path, workers: int = 1) -> PrepareReport:
    readers = ReaderPool(ReadOptions(), LIMITS, read_song=hostile.read_hostile_song)
    return prepare_with(source, out, readers, workers=workers)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards and chunks small, so that a few files give several."""
    monkeypatch.setattr(module, "FILES_PER_SHARD", 8)
    monkeypatch.setattr(module, "FILES_PER_CHUNK", 4)


@pytest.fixture
def read_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function for the names that `read_hostile_song` has read since the last call."""
    log = tmp_path / "log"
    monkeypatch.setenv("MUSICVAE_TEST_COUNTER", str(log))

    def names() -> list[str]:
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(found)

    return names


# -- contents ------------------------------------------------------------------------------------


def test_every_file_is_accounted_for(midi_folder: Path, tmp_path: Path) -> None:
    (midi_folder / "broken.mid").write_bytes(b"MThd")
    (midi_folder / "notes.txt").write_text("no music")
    (midi_folder / ".hidden").write_text("")
    (midi_folder / "README.md").write_text("read me")
    write(Song.new(end_ticks=480), midi_folder / "silent.mid")
    steps: list[tuple[int, int]] = []
    report = prepare(
        midi_folder, tmp_path / "out", progress=lambda done, total: steps.append((done, total))
    )
    assert report.files == 15 == report.kept + len(report.skipped)
    assert {entry["path"]: entry["reason"] for entry in report.skipped} == {
        ".hidden": "empty file",
        "README.md": "not a MIDI file or score",
        "broken.mid": "truncated in its header",
        "notes.txt": "not a MIDI file or score",
        "silent.mid": "no notes",
    }
    assert report.reasons["empty file"] == 1
    assert report.examples["no notes"] == ["silent.mid"]
    assert steps == [(15, 15)]
    assert report.bars == 10 * 9
    assert report.windows == 10 * 9
    assert report.notes == 10 * 4 * 33
    assert (report.moved, report.merged) == (0, 0)
    assert report.bars_by_reason == {"kept": 90, "silent": 0}
    assert sum(report.parts.values()) == 40
    assert report.duplicates == {
        "same bytes": 0, "same music": 0, "transposed": 2, "near": 0,
    }  # fmt: skip
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["skipped"] == report.skipped
    assert written["files"] == 15
    assert written["duplicates"] == [
        {"kind": "transposed", "paths": ["more/song1-in-eb.mid", "song1.mid"]},
        {"kind": "transposed", "paths": ["more/song2-in-bb.mid", "song2.mid"]},
    ]
    assert written["settings"]["options"] == asdict(ReadOptions())


def test_stored_songs_equal_the_files(midi_folder: Path, tmp_path: Path) -> None:
    prepare(midi_folder, tmp_path / "out", options=ReadOptions(as_written=True))
    shards = Shards(tmp_path / "out")
    stored = list(shards)
    assert len(stored) == len(shards) == len(shards.clusters().head) == 10
    assert [song.path for song in stored] == sorted(song.path for song in stored)
    for song in stored:
        assert song.bars.to_song() == read(midi_folder / song.path)
        assert np.array_equal(song.fingerprint.bar_hashes, fingerprint(song.bars).bar_hashes)


def test_chords_found_never_come_back_as_stated(tmp_path: Path) -> None:
    melody = small_chorale()
    stated = ChordMap.from_chords([(0, Chord(0, 1, 0)), (960, Chord(1, 1, 1))])
    write(small_chorale(bars=4), tmp_path / "midi" / "found.mid")
    write(replace(melody, parts=melody.parts[:1]), tmp_path / "midi" / "guess.mid")
    write(replace(small_chorale(seed=5), chords=stated), tmp_path / "midi" / "stated.mid")
    report = prepare(tmp_path / "midi", tmp_path / "out")
    assert report.chords == {"found": 1, "guess": 1, "stated": 1}
    stored = {song.path.removesuffix(".mid"): song for song in Shards(tmp_path / "out")}
    facts = {source: song.facts["chords"] for source, song in stored.items()}
    assert {source: each["source"] for source, each in facts.items()} == {s: s for s in facts}
    assert [len(stored[s].bars.header.chords) for s in ("found", "guess")] == [0, 0]
    assert stored["stated"].bars.header.chords == stated
    ticks, labels, confidence = zip(*facts["found"]["found"], strict=True)
    expected = estimate_chords(read(tmp_path / "midi" / "found.mid"))
    assert list(ticks) == expected.chords.ticks.tolist()
    assert list(labels) == expected.chords.labels()
    assert confidence == pytest.approx(expected.confidence, abs=1e-3)
    assert facts["guess"]["n"] and not facts["guess"]["found"] and not facts["stated"]["found"]


@settings(max_examples=25)
@given(songs())
def test_row_restores_any_song(song: Song) -> None:
    for bars in (Bars.from_song(song), Bars.from_song(song).at(4)):
        if not len(bars.notes):
            continue
        before = StoredSong(
            path="a", bars=bars, fingerprint=fingerprint(bars), facts={"bars": {"kept": 1}}
        )
        rows = [skipped_row("b", bytes(16), "no notes"), song_to_row(before, b"0" * 16)]
        skipped, kept = batch_to_rows(rows_to_batch(rows))
        assert (skipped["path"], skipped["reason"]) == ("b", "no notes")
        after = row_to_song(kept)
        assert (after.path, after.facts) == (before.path, before.facts)
        assert after.bars.header == bars.header
        assert notes_equal(after.bars.notes, bars.notes)
        assert grids_equal(after.bars.grid, bars.grid)
        assert (after.bars.n_moved, after.bars.n_merged) == (bars.n_moved, bars.n_merged)
        assert np.array_equal(after.fingerprint.bar_hashes, before.fingerprint.bar_hashes)
        assert after.fingerprint[1:] == before.fingerprint[1:]
        assert rows_to_batch([skipped, kept]).serialize() == rows_to_batch(rows).serialize()


def test_folder_without_usable_file_is_an_error_with_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "midi"
    folder.mkdir()
    with pytest.raises(DataError, match=r"empty folder.*corpus export"):
        prepare(folder, tmp_path / "out")
    (folder / "README.md").write_text("put MIDI here")
    with pytest.raises(DataError, match="empty folder"):
        prepare(folder, tmp_path / "out")
    (folder / "a.mid").write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable bar in 2 files \(README.md: not a MIDI"):
        prepare(folder, tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="is a file"):
        prepare(folder / "a.mid", tmp_path / "out")
    with pytest.raises(DataError, match="not a prepared folder"):
        Shards(tmp_path / "out")
    with pytest.raises(WriteError, match="is the source folder"):
        prepare(folder, folder)


def test_prepared_folder_is_refused_as_source(midi_folder: Path, tmp_path: Path) -> None:
    prepare(midi_folder, tmp_path / "out")
    with pytest.raises(
        DataError, match="out: is already prepared; give the folder of the music files"
    ):
        prepare(tmp_path / "out", tmp_path / "more")


def test_output_may_lie_in_the_source_folder(midi_folder: Path) -> None:
    out = midi_folder / "prepared"
    assert prepare(midi_folder, out).files == 10
    before = files_in(out)
    assert prepare(midi_folder, out).files == 10
    assert files_in(out) == before


def test_files_are_sorted_by_path(tmp_path: Path) -> None:
    names = ["a.mid", "a/z.mid", "a!b.mid", "a0.mid", "b/c/d", "b/c.mid", "B.mid", "ä/ö.mid"]
    for name in names:
        write(small_chorale(bars=1), tmp_path / "midi" / name)
    prepare(tmp_path / "midi", tmp_path / "out")
    assert [song.path for song in Shards(tmp_path / "out")] == sorted(names)


@pytest.mark.skipif(sys.platform != "linux", reason="paths are shorter on other systems")
def test_folders_may_be_very_deep(tmp_path: Path) -> None:
    depth, place = 1500, os.fspath(tmp_path)
    for _ in range(depth):
        place += "/d"
        os.mkdir(place)  # noqa: PTH102 - fast on long paths
    try:
        write(small_chorale(bars=2), Path(place, "song.mid"))
        expected = "d/" * depth + "song.mid"
        assert list(files_under(tmp_path)) == [expected]
        assert list(files_under(tmp_path, without=tmp_path / "d")) == []
        assert scan_folder(tmp_path).n_files == 1
    finally:  # as shutil.rmtree may not go so deep
        Path(place, "song.mid").unlink(missing_ok=True)
        for _ in range(depth):
            os.rmdir(place)  # noqa: PTH106
            place = place[:-2]


def test_order_of_warnings_is_that_of_the_song(tmp_path: Path) -> None:
    content = write(small_chorale(), tmp_path / "a.mid").read_bytes()
    row = song_to_row(read_stored_song(content, "a.mid", ReadOptions()), bytes(16))
    kinds = [f"warning {letter}" for letter in "qwertyuiopasdfgh"]
    row["facts"] = json.dumps({"warnings": kinds})
    counts = Counts()
    counts.count(row)
    assert list(counts.warnings) == kinds


def test_same_bytes_under_every_hash_seed(tmp_path: Path) -> None:
    chorales(tmp_path / "midi", 3)
    (tmp_path / "midi" / "tune.abc").write_text("X:1\nT:a\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|]\n")
    code = (
        "import sys; from musicvae.data.prepare import prepare; prepare(*sys.argv[1:], workers=1)"
    )
    root = str(Path(__file__).parents[2])
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "midi"), str(tmp_path / seed)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": root},
            check=True,
        )
    assert files_in(tmp_path / "1") == files_in(tmp_path / "2")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text on this system")
def test_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.mid", "locked/b.mid", "m.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    scandir = os.scandir

    def guarded(path: Any) -> Any:
        if "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert list(files_under(tmp_path)) == ["a.mid", "locked", "m.mid"]
    assert scan_folder(tmp_path).n_files == 3
    with pytest.raises(DataError, match="locked: permission denied; give a readable folder"):
        scan_folder(tmp_path / "locked")


def test_undecodable_file_name_is_escaped(tmp_path: Path) -> None:
    write(small_chorale(), tmp_path / "midi" / "a.mid")
    shutil.copy(tmp_path / "midi" / "a.mid", os.fsencode(tmp_path / "midi") + b"/b\xff.mid")
    (tmp_path / "midi" / os.fsdecode(b"c\xfe")).write_bytes(b"?")
    report = prepare(tmp_path / "midi", tmp_path / "out")
    assert [song.path for song in Shards(tmp_path / "out")] == ["a.mid", "b\\xff.mid"]
    assert [entry["path"] for entry in report.skipped] == ["c\\xfe"]


def test_unknown_format_version_is_refused(midi_folder: Path, tmp_path: Path) -> None:
    prepare(midi_folder, tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(DataError, match="prepared in format 99"):
        Shards(tmp_path)


def test_damaged_shard_is_named_and_restored_by_preparing(
    midi_folder: Path, tmp_path: Path
) -> None:
    prepare(midi_folder, tmp_path / "out")
    whole = files_in(tmp_path / "out")
    (shard,) = (tmp_path / "out").glob("shard-*")
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"shard-00000.*missing or damaged"):
        list(Shards(tmp_path / "out"))
    prepare(midi_folder, tmp_path / "out")
    assert files_in(tmp_path / "out") == whole


# -- processes ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_shards")
def test_output_does_not_depend_on_workers(tmp_path: Path) -> None:
    folder = chorales(tmp_path / "midi", 34)
    (folder / "007.mid").write_bytes(b"broken")
    one = prepare(folder, tmp_path / "one", workers=1)
    two = prepare(folder, tmp_path / "two", workers=2)
    assert one == two
    assert one.kept == 33
    assert len(list((tmp_path / "one").glob("shard-*"))) == 5
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


@pytest.mark.parametrize("workers", [1, 2])
def test_hostile_file_is_skipped_with_its_reason(tmp_path: Path, workers: int) -> None:
    folder = chorales(tmp_path / "midi", 6)
    hostile_files = {
        "001a.mid": ("do die", "reader crashed (signal 11)"),
        "002a.mid": ("do sleep:100", "took longer than 2 s"),
        "003a.mid": ("do eat:9000000000", "needs more than 512 MB of memory"),
        "004a.mid": ("do fail:x", "reader failed (KeyError: 'x')"),
        "005a.mid": ("do leave", "reader crashed (exit code 3)"),
    }
    for name, (words, _) in hostile_files.items():
        (folder / name).write_text(words)
    report = prepare_hostile(folder, tmp_path / "out", workers)
    assert report.kept == 6
    expected = [{"path": name, "reason": why} for name, (_, why) in hostile_files.items()]
    assert report.skipped == expected
    clean = prepare_hostile(chorales(tmp_path / "clean", 6), tmp_path / "two", workers)
    assert clean.bars == report.bars
    assert [song.path for song in Shards(tmp_path / "out")] == sorted(files_in(tmp_path / "clean"))


def test_malformed_files_are_all_accounted_for(shared_data: Path, tmp_path: Path) -> None:
    report = prepare(shared_data / "bad-midi", tmp_path / "out")
    found = sum(path.is_file() for path in (shared_data / "bad-midi").rglob("*"))
    assert report.files == found == report.kept + len(report.skipped)
    assert 0 < report.kept < found
    assert not [entry for entry in report.skipped if entry["reason"].startswith("reader")]


def test_file_that_crashed_its_reader_is_retried(tmp_path: Path, read_files) -> None:
    folder = chorales(tmp_path / "midi", 3)
    (folder / "001a.mid").write_text("do die")
    prepare_hostile(folder, tmp_path / "out")
    before = files_in(tmp_path / "out")
    read_files()
    prepare_hostile(folder, tmp_path / "out")
    assert set(read_files()) == {"001a.mid"}
    assert files_in(tmp_path / "out") == before


def test_second_run_in_one_folder_is_refused(midi_folder: Path, tmp_path: Path) -> None:
    def meddle(done: int, total: int) -> None:
        with pytest.raises(WriteError, match="another run is writing to it"):
            prepare(midi_folder, tmp_path / "out")

    assert prepare(midi_folder, tmp_path / "out", progress=meddle).kept == 10


# -- resuming -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_shards")
def test_unchanged_files_are_not_read_again(tmp_path: Path, read_files) -> None:
    folder, out = chorales(tmp_path / "midi", 30), tmp_path / "out"
    (folder / "005.mid").write_bytes(b"broken")
    prepare_hostile(folder, out)
    assert len(read_files()) == 30
    first = files_in(out)
    prepare_hostile(folder, out)
    assert read_files() == []
    assert files_in(out) == first

    (folder / "000.mid").rename(folder / "zzz.mid")  # every file moves to another place
    (folder / "010.mid").unlink()
    write(small_chorale(seed=99), folder / "100.mid")
    shutil.copy(folder / "011.mid", folder / "101.mid")
    assert prepare_hostile(folder, out, workers=2).kept == 30
    assert read_files() == ["100.mid"]
    prepare_hostile(folder, tmp_path / "anew")
    assert files_in(out) == files_in(tmp_path / "anew")


@pytest.mark.usefixtures("small_shards")
def test_other_options_read_all_files_again(tmp_path: Path, read_files) -> None:
    folder, out = chorales(tmp_path / "midi", 9), tmp_path / "out"
    prepare_hostile(folder, out)
    read_files()
    readers = ReaderPool(ReadOptions(pedal=True), LIMITS, read_song=hostile.read_hostile_song)
    prepare_with(folder, out, readers)
    assert len(read_files()) == 9
    assert Shards(out).index["settings"]["options"]["pedal"]


@pytest.mark.usefixtures("small_shards")
def test_interrupted_run_keeps_complete_shards_and_resumes(tmp_path: Path, read_files) -> None:
    folder, out = chorales(tmp_path / "midi", 30), tmp_path / "out"
    prepare_hostile(folder, tmp_path / "whole")
    read_files()

    def stop(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    readers = ReaderPool(ReadOptions(), LIMITS, read_song=hostile.read_hostile_song)
    with pytest.raises(KeyboardInterrupt):
        prepare_with(folder, out, readers, workers=1, progress=stop)
    with pytest.raises(DataError, match="not a prepared folder"):
        Shards(out)
    assert [path.name for path in sorted(out.iterdir())] == [
        ".lock",
        *sorted(path.name for path in (tmp_path / "whole").glob("shard-*"))[:2],
    ]
    read_files()
    prepare_hostile(folder, out)
    assert read_files() == [f"{i:03d}.mid" for i in range(16, 30)]
    assert files_in(out) == files_in(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
def test_dataset_stays_intact_until_the_next_is_complete(tmp_path: Path) -> None:
    folder, out = chorales(tmp_path / "midi", 20), tmp_path / "out"
    prepare(folder, out)
    before = [song.path for song in Shards(out)]
    (folder / "000.mid").unlink()

    def stop(done: int, total: int) -> None:
        if done == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(folder, out, progress=stop)
    assert [song.path for song in Shards(out)] == before
    prepare(folder, out)
    assert [song.path for song in Shards(out)] == before[1:]
    assert len(list(out.glob("shard-*"))) == 3


def test_leftovers_of_killed_runs_are_deleted(midi_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(midi_folder, out)
    whole = files_in(out)
    for name in (".index.json.abc.part", ".report.json.x.part", ".y.shard.part", "shard-9.arrow"):
        (out / name).write_bytes(b"half")
    prepare(midi_folder, out)
    assert files_in(out) == whole


KILLED = """
import sys
from pathlib import Path
from typing import Any
from musicvae.data import prepare
prepare.FILES_PER_SHARD, prepare.FILES_PER_CHUNK = 16, 4
prepare.prepare(sys.argv[1], sys.argv[2], workers=2)
"""


def kill_and_resume(tmp_path: Path, moments: int, seed: int) -> None:
    """Kill a run at random moments and resume it; the output is that of an uninterrupted run."""
    folder = chorales(tmp_path / "midi", 96, bars=8)
    (folder / "050.mid").write_bytes(b"broken")
    command = [sys.executable, "-c", KILLED, str(folder)]
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    lasted, rng = time.monotonic() - began, random.Random(seed)
    whole = files_in(tmp_path / "whole")
    killed = 0
    for moment in range(moments):
        out = tmp_path / f"out{moment // 4}"  # up to four kills before a run may end
        run = subprocess.Popen([*command, str(out)])
        try:
            run.wait(rng.uniform(0.1, 1.0) * lasted)
        except subprocess.TimeoutExpired:
            run.kill()
            killed += 1
        run.wait()
        if moment % 4 == 3 or moment == moments - 1:
            subprocess.run([*command, str(out)], check=True)
            assert files_in(out) == whole
    assert killed


def test_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, moments=3, seed=1)


@pytest.mark.slow
def test_run_killed_at_twenty_moments_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, moments=20, seed=2)


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to a single process")
def test_ctrl_c_kills_reader_processes(tmp_path: Path) -> None:
    folder = chorales(tmp_path / "midi", 2)
    (folder / "003.mid").write_text("do sleep:1000")
    code = (  # processes that a shell starts in the background ignore SIGINT, as do children
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from support import hostile; from pathlib import Path; "
        "from musicvae.io.options import ReadOptions; "
        "from musicvae.data.prepare import ReaderPool, prepare_with; "
        f"prepare_with(Path({str(folder)!r}), Path({str(tmp_path / 'out')!r}), "
        "ReaderPool(ReadOptions(), read_song=hostile.read_hostile_song), workers=1)"
    )
    log = tmp_path / "log"
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    environment = os.environ | {"MUSICVAE_TEST_COUNTER": str(log), "PYTHONPATH": paths}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    while not (log.exists() and "003.mid" in log.read_text()):
        time.sleep(0.05)
        assert run.poll() is None
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=20)
    assert b"KeyboardInterrupt" in stderr
    assert not children.exists()


# -- cache ----------------------------------------------------------------------------------------


def test_cache_is_reused_and_follows_changes(midi_folder: Path) -> None:
    first = prepare_cached(midi_folder)
    stamp = (first / "index.json").stat().st_mtime_ns
    assert prepare_cached(midi_folder) == first
    assert (first / "index.json").stat().st_mtime_ns == stamp
    assert prepare_cached(first) == first
    shutil.copy(midi_folder / "song0.mid", midi_folder / "song9.mid")
    assert len(Shards(prepare_cached(midi_folder))) == 11
    other = prepare_cached(midi_folder, options=ReadOptions(pedal=True))
    assert other != first
    assert len(Shards(first)) == len(Shards(other)) == 11


# -- counts ---------------------------------------------------------------------------------------


def test_reasons_are_counted_by_template() -> None:
    found = Counts()
    for i, reason in enumerate(
        ("3 of 18 tracks", "12 of 15 tracks", "a 3/4 bar", "tightness 0.31")
    ):
        found.count(skipped_row(str(i), bytes(16), reason))
    assert found.reasons == {"N of N tracks": 2, "a 3/N bar": 1, "tightness N": 1}
    assert found.examples["N of N tracks"] == ["0", "1"]


def test_counts_of_chunks_add_up() -> None:
    rows = [skipped_row(str(i), bytes(16), f"reason {'abc'[i % 3]}, {i}") for i in range(9)]
    for seed, song in enumerate(
        (small_chorale(), small_band(), replace(small_chorale(seed=1), end_ticks=99_999))
    ):
        bars = Bars.from_song(song)
        facts = {
            "parts": [{"name": p.name, "role": "bass"} for p in song.parts],
            "bars": {"kept": len(bars), "odd": seed},
            "warnings": ["strange"],
        }
        stored = StoredSong(path=str(seed), bars=bars, fingerprint=fingerprint(bars), facts=facts)
        rows.insert(4 * seed, song_to_row(stored, bytes(16)))

    def count(rows: list) -> Counts:
        found = Counts()
        for row in rows:
            found.count(row)
        return Counts.from_json(json.loads(json.dumps(found.to_json())))

    whole, joined = count(rows), Counts()
    for begin, end in pairwise((0, 0, 3, 8, len(rows))):
        joined.add(count(rows[begin:end]))
    assert joined == whole
    assert (whole.files, whole.kept) == (12, 3)
    assert whole.reasons == {f"reason {letter}, N": 3 for letter in "abc"}
    assert whole.examples["reason b, N"] == ["1", "4", "7"]
    assert whole.parts == {"bass": 11}
    assert whole.bars_by_reason["odd"] == 3
    assert whole.warnings == {"strange": 3}
    assert whole.windows < whole.bars
    many = Counts()
    for i in range(2000):
        one = Counts()
        one.count(skipped_row(str(i), bytes(16), f"kind{i}"))
        many.add(one)
    assert sum(many.reasons.values()) == 2000
    assert 400 < len(many.reasons) < 600 and len(many.examples) < 600


def test_a_book_of_tunes_is_as_many_songs(tmp_path: Path):
    """All tunes are kept, named, reused, and the same for any number of workers."""
    source = tmp_path / "songs"
    source.mkdir()
    book = "M:4/4\nL:1/4\n\n" + "\n".join(
        f"X:{n}\nT:Tune {n}\nK:C\n" + "CDEF|GABc|" * n + "\n" for n in (1, 2, 3)
    )
    (source / "book.abc").write_text(book)
    (source / "one.abc").write_text("X:5\nT:Alone\nK:G\nGABc|\n")
    for workers, out in ((1, "a"), (2, "b"), (2, "a")):
        report = prepare(source, tmp_path / out, workers=workers)
        assert (report.kept, report.skipped) == (4, [])
    names = [f"book.abc#{n} Tune {n}" for n in (1, 2, 3)]
    assert [song.path for song in Shards(tmp_path / "a")] == [*names, "one.abc"]
    for file in (tmp_path / "a").glob("*.arrow"):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert read(source / "book.abc#3").n_notes == read(source / names[2]).n_notes == 24
    assert expand(source / "book.abc") == [source / f"book.abc#{n}" for n in (1, 2, 3)]
    assert expand(source / "one.abc") == [source / "one.abc"]
    with pytest.raises(ReadError, match="no tune 9 in a book of 3"):
        read(source / "book.abc#9")
