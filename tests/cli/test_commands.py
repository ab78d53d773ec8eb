"""The commands on small songs and a tiny model, and their error messages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import floats

from musicvae import Bars, MusicVAE, Song
from musicvae.checkpoints import load, load_tensors, save_tensors
from musicvae.config.preset import load_preset
from musicvae.downbeats import estimate_barlines
from musicvae.io import midi, read, write
from musicvae.latent import blend
from musicvae.representation.pianoroll import to_roll
from musicvae.song import MeterMap
from musicvae.training import train
from support.cli import run
from support.songs import band_song, chorale_song, corpus_folder, part_from_notes
from support.strategies import songs


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Return a working folder with MIDI and a tiny trained model."""
    place = tmp_path_factory.mktemp("work")
    corpus_folder(place / "data" / "midi", n=12, bars=8)
    train(place / "data" / "midi", load_preset("tiny"), place / "checkpoints" / "tiny", steps=60)
    write(band_song(), place / "band.mid")
    write(chorale_song(bars=5, meter=(3, 4), pickup=1, qpm=60.0), place / "hymn.mid")
    return place


@pytest.fixture
def working_folder(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def assert_fails(result: Result, *words: str) -> None:
    """Assert exit code 1 and one error line that contains these words."""
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_train_prints_plan(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "data" / "midi", n=6, bars=4)
    (tmp_path / "data" / "midi" / "readme.txt").write_text("not music")
    result = run("train", "data/midi/", "--steps", "2", "--set", "model.width=32")
    assert result.exit_code == 0, result.stderr
    for words in (
        "preset chorale-4bar, the best fit for 100% of the songs",
        "files    7: 6 read, 1 skipped",
        "readme.txt: not a MIDI file",
        "songs    5 for training, 1 held out",
        "million parameters, on cpu in ",
        "windows per second",
        "the best model is checkpoints/chorale-4bar/model.safetensors",
    ):
        assert words in result.stderr
    again = run("train", "data/midi/", "--steps", "1", "--set", "model.width=32")
    assert "checkpoints/chorale-4bar-2/model.safetensors" in again.stderr


def test_train_chooses_melody_preset(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(4):
        song = chorale_song(bars=4, seed=i)
        write(Song.new(song.parts[:1], end_ticks=song.end_ticks), tmp_path / "tunes" / f"{i}.mid")
    result = run("train", "tunes", "--steps", "1", "--set", "model.width=32", "--name", "mine")
    assert "preset melody-2bar, the best fit for 100% of the songs" in result.stderr
    assert (tmp_path / "checkpoints" / "mine" / "model.safetensors").exists()


def test_resume(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "midi", n=4, bars=4)
    assert run("train", "midi", "--preset", "tiny", "--steps", "4").exit_code == 0
    assert_fails(
        run("train", "midi", "--preset", "tiny", "--name", "tiny"),
        "holds a run already",
        "--resume",
    )
    done = run("train", "midi", "--resume")
    assert done.exit_code == 0 and "resumes  at step 4" in done.stderr
    assert_fails(run("train", "midi", "--resume", "--name", "other"), "other", "no run to resume")


def test_sample_writes_songs(working_folder) -> None:
    result = run("sample", "--n", 8, "--out", "songs", "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["schema"] for line in lines] == [1] * 8
    contents = set()
    for line in lines:
        song = read(line["path"])
        assert song.end_ticks == 16 * 4 * 480 and song.n_notes > 16 and len(song.parts) > 1
        velocities = np.concatenate([part.velocity for part in song.parts])
        assert len(np.unique(velocities)) > 3
        contents.add(Path(line["path"]).read_bytes())
    assert len(contents) == 8
    assert "seed 3" in result.stderr and "the newest run" in result.stderr


def test_sample_is_reproducible_and_numbered(working_folder) -> None:
    for _ in range(2):
        assert run("sample", "--n", 2, "--out", "twice", "--seed", 9, "--bars", 5).exit_code == 0
    files = [(working_folder / "twice" / f"song-{i:02d}.mid").read_bytes() for i in (1, 2, 3, 4)]
    assert files[:2] == files[2:] and files[0] != files[1]


def test_sample_options(working_folder) -> None:
    words = ("--tempo", 66, "--key", 2, "--meter", "3/4", "--bars", 3, "--seed", 1)
    result = run("sample", "--n", 1, "--out", "asked", *words)
    assert result.exit_code == 0, result.stderr
    song = read(working_folder / "asked" / "song-01.mid")
    assert song.end_ticks == 3 * 3 * 480 and round(float(song.tempo.qpm[0])) == 66
    assert (song.meter.numerator[0], song.meter.denominator[0]) == (3, 4)
    assert song.key.fifths.tolist() == [2]
    assert_fails(run("sample", "--meter", "17/4"), "17/4", "at most 24 steps per bar")
    assert_fails(run("sample", "--meter", "waltz"), "waltz", "3/4")
    assert_fails(run("sample", "--meter", "²/4"), "²/4", "3/4")
    if not torch.cuda.is_available():
        assert_fails(run("sample", "--device", "cuda"), "--device cuda", "--device cpu")


def test_audio_level_and_length(working_folder) -> None:
    result = run("sample", "--n", 1, "--out", "loud", "--audio", "--seed", 2, "--bars", 4)
    assert result.exit_code == 0, result.stderr
    samples, rate = soundfile.read(working_folder / "loud" / "song-01.wav")
    song = read(working_folder / "loud" / "song-01.mid")
    assert 0.05 < np.abs(samples).max() < 1.0
    assert song.duration_s <= len(samples) / rate < song.duration_s + 6


def test_json_lists_all_written_files(working_folder) -> None:
    words = ("--n", 1, "--out", "all", "--audio", "--stems", "--score", "--bars", 2, "--seed", 3)
    result = run("sample", *words, "--json")
    assert result.exit_code == 0, result.stderr
    (entry,) = (json.loads(line) for line in result.stdout.splitlines())
    named = [entry["path"], entry["audio"], entry["score"], *entry["stems"], *entry["stems_audio"]]
    assert entry["stems_audio"] and sorted(named) == sorted(map(str, Path("all").iterdir()))


def test_interpolate_ends_are_reconstructions(working_folder) -> None:
    result = run("interpolate", "hymn.mid", "band.mid", "--steps", 5, "--out", "morph")
    assert result.exit_code == 0, result.stderr
    songs = [read(working_folder / "morph" / f"step-{i:02d}.mid") for i in range(1, 6)]
    assert run("reconstruct", "hymn.mid", "band.mid", "--out", "ends").exit_code == 0
    assert songs[0] == read(working_folder / "ends" / "hymn.mid")
    assert songs[-1] == read(working_folder / "ends" / "band.mid")
    tempos = [float(song.tempo.qpm[0]) for song in songs]
    assert tempos == sorted(tempos) and tempos[0] < tempos[2] < tempos[-1]
    assert songs[2].n_notes > 0


def test_reconstruct_keeps_length_tempo_meter_and_programs(working_folder) -> None:
    result = run("reconstruct", "band.mid", "hymn.mid", "--out", "back", "--json", "--force")
    lines = {json.loads(line)["source"]: json.loads(line) for line in result.stdout.splitlines()}
    for name in ("band.mid", "hymn.mid"):
        before, after = read(name), read(lines[name]["path"])
        assert after.end_ticks == before.end_ticks
        assert after.tempo == before.tempo and after.meter == before.meter
        programs = {part.name: part.program for part in before.parts}
        assert all(programs[part.name] == part.program for part in after.parts)
        assert lines[name]["kl_bits"] > 0 and lines[name]["windows"] > 0
    drums = next(part for part in read("band.mid").parts if part.is_drum)
    same = next(part for part in read(lines["band.mid"]["path"]).parts if part.is_drum)
    assert same == drums  # a preset of four voices has no drums: they are kept unchanged
    share = len(drums) / read("band.mid").n_notes
    assert lines["band.mid"]["untouched"] == pytest.approx(share, abs=1e-3)
    assert_fails(run("reconstruct", "band.mid", "--out", "back"), "band.mid", "--force")


def test_silent_parts_stay_silent(working_folder) -> None:
    """Consecutive solos: each bar is reconstructed only in the part that played it."""
    tpq, parts = 480, []
    for i in range(6):
        notes = [(i * 1920 + q * tpq, tpq, 60 + 2 * q, 80) for q in range(4)]
        parts.append(part_from_notes(notes, f"solo {i}", i))
    song = Song.new(parts, end_ticks=6 * 1920)
    made = MusicVAE.load("tiny").reconstruct(song)
    for i, part in enumerate(made.parts):
        assert set((part.onset_ticks // 1920).tolist()) <= {i}
    assert made.n_notes > 0


def test_python_api(working_folder) -> None:
    model = MusicVAE.load()
    assert MusicVAE.load("tiny").hash == model.hash
    song = read("hymn.mid")
    encoding = model.encode(song)
    assert encoding.mu.shape == (1, 3, model.vae.Z) and (encoding.sigma > 0).all()
    assert model.decode(encoding) == model.reconstruct(song)
    first, *_, last = model.interpolate(song, read("band.mid"), steps=3)
    assert first == model.reconstruct(song) and last == model.reconstruct(read("band.mid"))
    assert model.sample(2, bars=4, seed=5) == model.sample(2, bars=4, seed=5)
    assert to_roll(Bars.from_song(song).at(4)).shape == (6, 4, 4, 12, 128)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(a=songs(), b=songs(), t=floats(0.05, 0.95))
def test_blend_of_any_two_songs(trained, a: Song, b: Song, t: float) -> None:
    """Number of bars and length of a blend, for any meters, pickups, irregular bars and parts."""
    model = MusicVAE.load(trained / "checkpoints" / "tiny" / "model.safetensors")
    one, other = model.encode(a), model.encode(b)
    assert model.decode(one).end_ticks == a.end_ticks
    if not (one.source_parts and other.source_parts and len(one.bars) and len(other.bars)):
        return
    mixed = blend(one, other, t, model.preset.grid.bars)
    asked = (1 - t) * len(one.bars) + t * len(other.bars)
    assert abs(len(mixed.bars) - asked) <= model.preset.grid.bars
    song = model.decode(mixed)
    again = midi.from_bytes(midi.to_bytes(song))
    assert again.end_ticks == song.end_ticks == mixed.bars.header.end_ticks
    assert len(Bars.from_song(again)) == len(mixed.bars)


def test_blend_keeps_one_pickup(working_folder) -> None:
    model = MusicVAE.load("tiny")
    hymn = model.encode(read("hymn.mid"))
    far = model.encode(chorale_song(bars=40))
    bars = blend(hymn, far, 0.4, 2).bars
    assert (bars.grid.lead_steps > 0).sum() == 1 and bars.grid.lead_steps[0] > 0


def test_notes_around_too_long_bars_are_kept(working_folder) -> None:
    """Notes that no window can encode are kept unchanged."""
    notes = [(i * 480, 480, 60 + i % 5, 80) for i in range(15)]
    notes += [(2 * 1920 - 60, 50, 72, 90), (2 * 1920 - 3, 200, 74, 90), (3 * 1920, 2000, 76, 90)]
    meter = MeterMap(ticks=[0, 3840, 3840 + 7 * 1920], numerator=[4, 7, 4], denominator=[4, 1, 4])
    song = Song.new([part_from_notes(notes)], end_ticks=3840 + 9 * 1920)
    song = replace(song, meter=meter)
    model = MusicVAE.load("tiny")
    encoding = model.encode(song)
    passthrough = encoding.passthrough[0]
    late = song.parts[0].onset_ticks >= 2 * 1920 - 60
    assert set(song.parts[0].onset_ticks[late].tolist()) <= set(passthrough.onset_ticks.tolist())
    kept = model.decode(encoding).parts[0]
    exact = list(zip(kept.onset_ticks, kept.duration_ticks, kept.pitch, strict=True))
    assert all(
        note in exact
        for note in zip(
            passthrough.onset_ticks, passthrough.duration_ticks, passthrough.pitch, strict=True
        )
    )


# -- user errors ------------------------------------------------------------------


def test_an_empty_folder(working_folder) -> None:
    (working_folder / "empty").mkdir(exist_ok=True)
    assert_fails(run("train", "empty"), "empty folder", "musicvae corpus export chorales")
    assert_fails(run("train", "nowhere"), "nowhere", "no such folder")


def test_a_folder_without_a_usable_bar(working_folder) -> None:
    (working_folder / "words").mkdir(exist_ok=True)
    (working_folder / "words" / "poem.mid").write_text("no music here")
    write(Song.new(end_ticks=1920), working_folder / "words" / "silence.mid")
    assert_fails(run("train", "words"), "words", "no usable bar in 2 files", "poem.mid")
    assert not (working_folder / "checkpoints" / "chorale-2bar").exists()


def test_unreadable_files_are_reported(working_folder) -> None:
    whole = (working_folder / "hymn.mid").read_bytes()
    (working_folder / "cut.mid").write_bytes(whole[: len(whole) // 2])
    (working_folder / "letter.mid").write_text("Dear sirs,")
    result = run("reconstruct", "cut.mid", "letter.mid", "hymn.mid", "--out", "some", "--force")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "cut.mid: truncated" in result.stderr and "letter.mid: not a MIDI file" in result.stderr
    assert {p.name for p in (working_folder / "some").iterdir()} == {"hymn.mid"}
    assert_fails(run("interpolate", "cut.mid", "hymn.mid"), "cut.mid", "truncated")
    assert_fails(run("interpolate", "hymn.mid", "gone.mid"), "gone.mid", "no such file")


def test_unwritable_output(working_folder) -> None:
    (working_folder / "file").write_text("in the way")
    assert_fails(run("sample", "--out", "file/songs"), "file/songs", "--out")
    assert_fails(run("reconstruct", "hymn.mid", "--out", "file"), "file", "--out")
    assert (working_folder / "file").read_text() == "in the way"


def test_invalid_checkpoints(working_folder) -> None:
    tensors, header = load_tensors(working_folder / "checkpoints" / "tiny" / "model.safetensors")
    newer = save_tensors(working_folder / "newer.safetensors", tensors, header)
    newer.write_bytes(newer.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 7'))
    assert_fails(run("sample", "--checkpoint", newer), "format 7", "upgrade musicvae")
    cut = working_folder / "cut.safetensors"
    cut.write_bytes(
        (working_folder / "checkpoints" / "tiny" / "model.safetensors").read_bytes()[:5000]
    )
    assert_fails(run("sample", "--checkpoint", cut), "cut.safetensors")
    (working_folder / "text.safetensors").write_text("hello")
    assert_fails(run("sample", "--checkpoint", "text.safetensors"), "not a safetensors file")
    assert_fails(run("sample", "--checkpoint", "nobody"), "nobody", "no such checkpoint")


def test_song_without_representable_notes(working_folder) -> None:
    song = band_song()
    drums = Song.new([part for part in song.parts if part.is_drum])
    write(drums, working_folder / "drums.mid")
    assert_fails(
        run("interpolate", "drums.mid", "hymn.mid"), "no notes that preset tiny can represent"
    )
    result = run("reconstruct", "drums.mid", "--out", "drums", "--json", "--force")
    assert json.loads(result.stdout)["untouched"] == 1.0
    assert read(working_folder / "drums" / "drums.mid").parts == drums.parts


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--n", "0"),
        ("sample", "--tempo", "nan"),
        ("sample", "--temperature", "inf"),
        ("train", "data/midi", "--minutes", "nan"),
        ("train", "data/midi", "--name", "../x"),
        ("interpolate", "hymn.mid"),
        ("interpolate", "hymn.mid", "band.mid", "--steps", "1"),
        ("train", "data/midi", "--minutes", "1", "--steps", "5"),
        ("train", "data/midi", "--minutes", "-1"),
        ("nonsense",),
    ],
)
def test_usage_errors_exit_2(working_folder, words) -> None:
    result = run(*words)
    assert result.exit_code == 2 and "Traceback" not in result.output


def test_unknown_names_suggest_nearest(working_folder) -> None:
    assert_fails(
        run("train", "data/midi", "--preset", "chorale2bar"), "did you mean 'chorale-2bar'?"
    )
    assert_fails(run("train", "data/midi", "--set", "training.bach=3"), "did you mean 'batch'?")


def test_no_temporary_files_remain(working_folder) -> None:
    left = [p for p in working_folder.rglob("*") if p.name.endswith(".part")]
    assert left == []
    assert load(working_folder / "checkpoints" / "tiny" / "model.safetensors").provenance[
        "finished"
    ]


def test_bar_lines_of_scores_and_as_written(working_folder, tmp_path) -> None:
    """Bars of one eighth are accepted from scores, not from MIDI files."""
    tune = "X:1\nT:x\nM:1/8\nL:1/8\nK:C\n" + "c|d|e|f|g|f|e|d|" * 6 + "\n"
    (tmp_path / "tune.abc").write_text(tune)
    write(read(tmp_path / "tune.abc"), tmp_path / "tune.mid")

    def windows(name: str, *options: str) -> int:
        out = str(tmp_path / "out")
        result = run(
            "reconstruct", str(tmp_path / name), "--out", out, "--force", "--json", *options
        )
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["windows"]

    assert windows("tune.abc") == windows("tune.mid", "--as-written") == 24
    assert windows("tune.mid") < 10
    assert (
        MusicVAE.load().encode(estimate_barlines(read("hymn.mid"), as_written=True)).n_windows == 3
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "training.learnig_rate=1"), "learning_rate"),
        (("--set", "model.width=wide", "--preset", "tiny"), "model.width must be int"),
        (("--preset", "tinny"), "did you mean 'tiny'"),
        (("--name", "tiny"), "holds a run already"),
    ],
)
def test_wrong_options_of_train_are_told_before_reading(
    working_folder, monkeypatch, words, message
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("the folder was read")

    monkeypatch.setattr("musicvae.data.prepare.prepare_cached", read)
    assert_fails(run("train", "midi", *words), message)


def test_f1_on_one_song_is_not_called_held_out(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "midi", n=1, bars=4)
    words = ("--steps", 2, "--preset", "tiny", "--from", "scratch", "--name", "one")
    result = run("train", "midi", *words)
    assert result.exit_code == 0, result.output
    assert "F1 on the training songs" in result.stderr and "held-out" not in result.stderr
    info = run("info", "one")
    assert "validation: f1" in info.stdout and "held out: f1" not in info.stdout
    page = (tmp_path / "checkpoints" / "one" / "report.html").read_text("utf-8")
    assert "held-out F1" not in page


def test_format_and_file_of_convert_may_agree(working_folder) -> None:
    result = run("convert", "hymn.mid", "--format", "mid", "--out", "same.mid")
    assert result.exit_code == 0 and (working_folder / "same.mid").is_file()
    result = run("convert", "hymn.mid", "--format", "mxl", "--out", "same.mid")
    assert result.exit_code == 2 and "disagree" in result.stderr


def test_names_of_255_bytes(working_folder) -> None:
    longest = "\u00e9" * 125 + "n.mid"
    assert len(longest.encode()) == 255
    (working_folder / longest).write_bytes((working_folder / "hymn.mid").read_bytes())
    result = run("convert", longest, "--out", "long/")
    assert result.exit_code == 0, result.output
    (score,) = (working_folder / "long").iterdir()
    assert score.suffix == ".musicxml" and score.stem == "\u00e9" * 123
    result = run("convert", longest, "--out", "long/", "--format", "mid")
    assert result.exit_code == 0 and (working_folder / "long" / longest).is_file()
    result = run("reconstruct", longest, "--out", "again", "--checkpoint", "tiny", "--stems")
    assert result.exit_code == 0, result.output


def test_files_of_a_book_are_named_by_the_labels_of_its_tunes(tmp_path: Path) -> None:
    tune = "X:{0}\nT:Tune {0}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|]\n\n"
    (tmp_path / "book.abc").write_text(tune.format(10) + tune.format(20))
    out = tmp_path / "out"
    done = run("convert", str(tmp_path / "book.abc"), "--format", "mid", "--out", f"{out}/")
    assert done.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["book-10.mid", "book-20.mid"]
