"""The commands as a new user types them, and what they say when something is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import floats

from musicvae import Bars, MusicVAE, Song
from musicvae.checkpoints import load, load_tensors, save_tensors
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.downbeats import estimate_barlines
from musicvae.io import midi, read, write
from musicvae.latent import blend
from musicvae.representation.pianoroll import to_roll
from musicvae.song import MeterMap
from musicvae.training import train
from support.songs import band_song, chorale_song, corpus_folder, part_of
from support.strategies import songs


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A working directory with MIDI and a tiny trained model."""
    place = tmp_path_factory.mktemp("work")
    corpus_folder(place / "data" / "midi", n=12, bars=8)
    train(place / "data" / "midi", load_preset("tiny"), place / "checkpoints" / "tiny", steps=60)
    write(band_song(), place / "band.mid")
    write(chorale_song(bars=5, meter=(3, 4), pickup=1, qpm=60.0), place / "hymn.mid")
    return place


@pytest.fixture
def here(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def fails(result: Result, *words: str) -> None:
    """Exit 1, one line that holds these words, no traceback."""
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_train_needs_no_option_and_states_its_plan(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "data" / "midi", n=6, bars=4)
    (tmp_path / "data" / "midi" / "readme.txt").write_text("not music")
    result = run("train", "data/midi/", "--steps", "2", "--set", "model.width=32")
    assert result.exit_code == 0, result.stderr
    for words in (
        "preset chorale-4bar, which suits 100% of the songs best",
        "files    7: 6 read, 1 left out",
        "readme.txt: not a MIDI file",
        "songs    5 to learn from, 1 held out",
        "million parameters, on cpu in ",
        "windows a second",
        "the best model is checkpoints/chorale-4bar/model.safetensors",
    ):
        assert words in result.stderr
    again = run("train", "data/midi/", "--steps", "1", "--set", "model.width=32")
    assert "checkpoints/chorale-4bar-2/model.safetensors" in again.stderr


def test_a_folder_of_melodies_gets_the_melody_preset(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(4):
        song = chorale_song(bars=4, seed=i)
        write(Song.new(song.parts[:1], end_ticks=song.end_ticks), tmp_path / "tunes" / f"{i}.mid")
    result = run("train", "tunes", "--steps", "1", "--set", "model.width=32", "--name", "mine")
    assert "preset melody-2bar, which suits 100% of the songs best" in result.stderr
    assert (tmp_path / "checkpoints" / "mine" / "model.safetensors").exists()


def test_resume_goes_on_and_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "midi", n=4, bars=4)
    assert run("train", "midi", "--preset", "tiny", "--steps", "4").exit_code == 0
    fails(
        run("train", "midi", "--preset", "tiny", "--name", "tiny"),
        "holds a run already",
        "--resume",
    )
    done = run("train", "midi", "--resume")
    assert done.exit_code == 0 and "resumes  at step 4" in done.stderr
    fails(run("train", "midi", "--resume", "--name", "other"), "other", "no run to resume")


def test_sample_writes_songs_that_are_music(here) -> None:
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


def test_the_same_seed_writes_the_same_bytes_under_the_next_free_numbers(here) -> None:
    for _ in range(2):
        assert run("sample", "--n", 2, "--out", "twice", "--seed", 9, "--bars", 5).exit_code == 0
    files = [(here / "twice" / f"song-{i:02d}.mid").read_bytes() for i in (1, 2, 3, 4)]
    assert files[:2] == files[2:] and files[0] != files[1]


def test_sample_obeys_tempo_key_meter_and_bars(here) -> None:
    words = ("--tempo", 66, "--key", 2, "--meter", "3/4", "--bars", 3, "--seed", 1)
    result = run("sample", "--n", 1, "--out", "asked", *words)
    assert result.exit_code == 0, result.stderr
    song = read(here / "asked" / "song-01.mid")
    assert song.end_ticks == 3 * 3 * 480 and round(float(song.tempo.qpm[0])) == 66
    assert (song.meter.numerator[0], song.meter.denominator[0]) == (3, 4)
    assert song.key.fifths.tolist() == [2]
    fails(run("sample", "--meter", "17/4"), "17/4", "at most 24 cells")
    fails(run("sample", "--meter", "waltz"), "waltz", "3/4")
    fails(run("sample", "--meter", "²/4"), "²/4", "3/4")
    if not torch.cuda.is_available():
        fails(run("sample", "--device", "cuda"), "--device cuda", "--device cpu")


def test_audio_is_heard_not_clipped_and_as_long_as_the_song(here) -> None:
    result = run("sample", "--n", 1, "--out", "loud", "--audio", "--seed", 2, "--bars", 4)
    assert result.exit_code == 0, result.stderr
    samples, rate = soundfile.read(here / "loud" / "song-01.wav")
    song = read(here / "loud" / "song-01.mid")
    assert 0.05 < np.abs(samples).max() < 1.0
    assert song.duration_s <= len(samples) / rate < song.duration_s + 6


def test_json_names_every_file_that_is_written(here) -> None:
    words = ("--n", 1, "--out", "all", "--audio", "--stems", "--score", "--bars", 2, "--seed", 3)
    result = run("sample", *words, "--json")
    assert result.exit_code == 0, result.stderr
    (told,) = (json.loads(line) for line in result.stdout.splitlines())
    named = [told["path"], told["audio"], told["score"], *told["stems"], *told["stems_audio"]]
    assert told["stems_audio"] and sorted(named) == sorted(map(str, Path("all").iterdir()))


def test_interpolate_ends_are_the_reconstructions(here) -> None:
    result = run("interpolate", "hymn.mid", "band.mid", "--steps", 5, "--out", "morph")
    assert result.exit_code == 0, result.stderr
    songs = [read(here / "morph" / f"step-{i:02d}.mid") for i in range(1, 6)]
    assert run("reconstruct", "hymn.mid", "band.mid", "--out", "ends").exit_code == 0
    assert songs[0] == read(here / "ends" / "hymn.mid")
    assert songs[-1] == read(here / "ends" / "band.mid")
    tempos = [float(song.tempo.qpm[0]) for song in songs]
    assert tempos == sorted(tempos) and tempos[0] < tempos[2] < tempos[-1]
    assert songs[2].n_notes > 0


def test_reconstruct_keeps_length_tempo_meter_and_programs(here) -> None:
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
    assert same == drums  # four voices cannot hold drums: they pass unchanged
    share = len(drums) / read("band.mid").n_notes
    assert lines["band.mid"]["untouched"] == pytest.approx(share, abs=1e-3)
    fails(run("reconstruct", "band.mid", "--out", "back"), "band.mid", "--force")


def test_a_part_is_silent_where_it_was_silent(here) -> None:
    """Solos one after another: each bar comes back in the part that played it, and no other."""
    tpq, parts = 480, []
    for i in range(6):
        notes = [(i * 1920 + q * tpq, tpq, 60 + 2 * q, 80) for q in range(4)]
        parts.append(part_of(notes, f"solo {i}", i))
    song = Song.new(parts, end_ticks=6 * 1920)
    made = MusicVAE.load("tiny").reconstruct(song)
    for i, part in enumerate(made.parts):
        assert set((part.onset_ticks // 1920).tolist()) <= {i}
    assert made.n_notes > 0


def test_from_python_it_is_the_same(here) -> None:
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
def test_any_two_songs_meet_in_the_middle(trained, a: Song, b: Song, t: float) -> None:
    """Whatever meters, pickups, odd bars and parts: as many bars as asked for, and the length kept
    when the song is written and read."""
    model = MusicVAE.load(trained / "checkpoints" / "tiny" / "model.safetensors")
    one, other = model.encode(a), model.encode(b)
    assert model.decode(one).end_ticks == a.end_ticks
    if not (one.owners and other.owners and len(one.bars) and len(other.bars)):
        return
    mixed = blend(one, other, t, model.preset.grid.bars)
    asked = (1 - t) * len(one.bars) + t * len(other.bars)
    assert abs(len(mixed.bars) - asked) <= model.preset.grid.bars
    song = model.decode(mixed)
    again = midi.from_bytes(midi.to_bytes(song))
    assert again.end_ticks == song.end_ticks == mixed.bars.header.end_ticks
    assert len(Bars.from_song(again)) == len(mixed.bars)


def test_a_pickup_stays_one_pickup_on_the_way(here) -> None:
    model = MusicVAE.load("tiny")
    hymn = model.encode(read("hymn.mid"))
    far = model.encode(chorale_song(bars=40))
    bars = blend(hymn, far, 0.4, 2).bars
    assert (bars.grid.lead > 0).sum() == 1 and bars.grid.lead[0] > 0


def test_notes_before_and_across_a_bar_too_long_for_the_model_are_kept(here) -> None:
    """Nothing is lost where a window cannot be encoded: such notes pass as they are."""
    notes = [(i * 480, 480, 60 + i % 5, 80) for i in range(15)]
    notes += [(2 * 1920 - 60, 50, 72, 90), (2 * 1920 - 3, 200, 74, 90), (3 * 1920, 2000, 76, 90)]
    meter = MeterMap(ticks=[0, 3840, 3840 + 7 * 1920], numerator=[4, 7, 4], denominator=[4, 1, 4])
    song = Song.new([part_of(notes)], end_ticks=3840 + 9 * 1920)
    song = replace(song, meter=meter)
    model = MusicVAE.load("tiny")
    encoding = model.encode(song)
    aside = encoding.untouched[0]
    late = song.parts[0].onset_ticks >= 2 * 1920 - 60
    assert set(song.parts[0].onset_ticks[late].tolist()) <= set(aside.onset_ticks.tolist())
    kept = model.decode(encoding).parts[0]
    exact = list(zip(kept.onset_ticks, kept.duration_ticks, kept.pitch, strict=True))
    assert all(
        note in exact
        for note in zip(aside.onset_ticks, aside.duration_ticks, aside.pitch, strict=True)
    )


# -- what a user may get wrong ------------------------------------------------------------------


def test_an_empty_folder(here) -> None:
    (here / "empty").mkdir(exist_ok=True)
    fails(run("train", "empty"), "empty folder", "musicvae corpus export chorales")
    fails(run("train", "nowhere"), "nowhere", "no such folder")


def test_a_folder_without_a_usable_bar(here) -> None:
    (here / "words").mkdir(exist_ok=True)
    (here / "words" / "poem.mid").write_text("no music here")
    write(Song.new(end_ticks=1920), here / "words" / "silence.mid")
    fails(run("train", "words"), "words", "no usable bar in 2 files", "poem.mid")
    assert not (here / "checkpoints" / "chorale-2bar").exists()


def test_broken_midi_is_named_and_the_rest_goes_on(here) -> None:
    whole = (here / "hymn.mid").read_bytes()
    (here / "cut.mid").write_bytes(whole[: len(whole) // 2])
    (here / "letter.mid").write_text("Dear sirs,")
    result = run("reconstruct", "cut.mid", "letter.mid", "hymn.mid", "--out", "some", "--force")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "cut.mid: truncated" in result.stderr and "letter.mid: not a MIDI file" in result.stderr
    assert {p.name for p in (here / "some").iterdir()} == {"hymn.mid"}
    fails(run("interpolate", "cut.mid", "hymn.mid"), "cut.mid", "truncated")
    fails(run("interpolate", "hymn.mid", "gone.mid"), "gone.mid", "no such file")


def test_a_place_that_cannot_be_written(here) -> None:
    (here / "file").write_text("in the way")
    fails(run("sample", "--out", "file/songs"), "file/songs", "--out")
    fails(run("reconstruct", "hymn.mid", "--out", "file"), "file", "--out")
    assert (here / "file").read_text() == "in the way"


def test_a_checkpoint_from_the_future_or_none_or_damaged(here) -> None:
    tensors, header = load_tensors(here / "checkpoints" / "tiny" / "model.safetensors")
    newer = save_tensors(here / "newer.safetensors", tensors, header)
    newer.write_bytes(newer.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 7'))
    fails(run("sample", "--checkpoint", newer), "format 7", "upgrade musicvae")
    cut = here / "cut.safetensors"
    cut.write_bytes((here / "checkpoints" / "tiny" / "model.safetensors").read_bytes()[:5000])
    fails(run("sample", "--checkpoint", cut), "cut.safetensors")
    (here / "text.safetensors").write_text("hello")
    fails(run("sample", "--checkpoint", "text.safetensors"), "not a safetensors file")
    fails(run("sample", "--checkpoint", "nobody"), "nobody", "no such checkpoint")


def test_nothing_fits(here) -> None:
    song = band_song()
    drums = Song.new([part for part in song.parts if part.is_drum])
    write(drums, here / "drums.mid")
    fails(run("interpolate", "drums.mid", "hymn.mid"), "nothing that preset tiny can represent")
    result = run("reconstruct", "drums.mid", "--out", "drums", "--json", "--force")
    assert json.loads(result.stdout)["untouched"] == 1.0
    assert read(here / "drums" / "drums.mid").parts == drums.parts


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
def test_wrong_usage_exits_2(here, words) -> None:
    result = run(*words)
    assert result.exit_code == 2 and "Traceback" not in result.output


def test_unknown_presets_and_settings_name_the_nearest(here) -> None:
    fails(run("train", "data/midi", "--preset", "chorale2bar"), "did you mean 'chorale-2bar'?")
    fails(run("train", "data/midi", "--set", "training.bach=3"), "did you mean 'batch'?")


def test_nothing_half_written_stays_behind(here) -> None:
    left = [p for p in here.rglob("*") if p.name.endswith(".part")]
    assert left == []
    assert load(here / "checkpoints" / "tiny" / "model.safetensors").provenance["finished"]


def test_bars_are_those_of_the_score_or_as_written_if_one_says_so(here, tmp_path) -> None:
    """Bars of an eighth, which no file is believed to mean, though a score is."""
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
