"""Which preset suits a song, and which checkpoint is taken for it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from musicvae import Bars, Song
from musicvae.checkpoints import (
    MODEL_FILE,
    Checkpoint,
    best_shipped,
    checkpoint_name,
    choose,
    claim_run_name,
    default_run_name,
    find,
    public_name,
    save,
)
from musicvae.cli import main
from musicvae.config.preset import Preset, load_preset, preset_from_dict, preset_names
from musicvae.errors import CheckpointError
from musicvae.io import read, write
from musicvae.networks.vae import VAE
from musicvae.representation.preset_fit import mean_fit, measure_fit, vote_preset
from support.songs import band_song, chorale_song, part_from_notes


def preset(name: str, *kinds: str, bars: int = 2, bits: float = 100.0) -> Preset:
    """A small model with these slots, high ones first; `bass` is a low voice."""
    parts = []
    for i, kind in enumerate(kinds):
        where = {"low": 0, "high": 127} if kind == "drums" else {}
        center = 40.0 if kind == "bass" else 70.0 - 6 * i
        real = "voice" if kind == "bass" else kind
        parts.append({"name": f"{kind} {i}", "kind": real, "center": center, **where})
    sizes = {"latent": 4, "width": 8, "blocks": 1, "rank": 4, "hidden": 8}
    data = {"name": name, "parts": parts, "grid": {"bars": bars}, "model": sizes}
    return preset_from_dict({**data, "training": {"kl_target_bits": bits}}, name)


MELODY = preset("melody-2bar", "voice", bits=58.0)
LONG_MELODY = preset("melody-16bar", "voice", bars=16, bits=277.0)
VOICES = preset("chorale-4bar", *4 * ["voice"], bars=4, bits=200.0)
PIANO = preset("piano-2bar", "chords", bits=200.0)
LIED = preset("song-4bar", "voice", "chords", bars=4, bits=400.0)
GROOVE = preset("groove-2bar", "drums", bits=107.0)
BAND = preset("band-4bar", "voice", "chords", "bass", "drums", bars=4, bits=400.0)
ALL = (BAND, VOICES, GROOVE, LONG_MELODY, MELODY, PIANO, LIED)

_HYMN, _BAND = chorale_song(bars=8, seed=1), band_song()
SONGS = {
    "one voice": (Song.new(_HYMN.parts[:1], end_ticks=_HYMN.end_ticks), MELODY),
    "two voices": (Song.new(_HYMN.parts[:2], end_ticks=_HYMN.end_ticks), VOICES),
    "four voices": (_HYMN, VOICES),
    "a piano": (Song.new(_BAND.parts[1:2], end_ticks=_BAND.end_ticks), PIANO),
    "voice and piano": (Song.new(_BAND.parts[:2], end_ticks=_BAND.end_ticks), LIED),
    "drums": (Song.new(_BAND.parts[4:], end_ticks=_BAND.end_ticks), GROOVE),
    "a band": (_BAND, BAND),
}


@pytest.mark.parametrize("what", SONGS)
def test_best_preset_of_each_kind_of_song(what: str) -> None:
    song, wanted = SONGS[what]
    bars = Bars.from_song(song)
    real = [load_preset(name) for name in preset_names()]
    for presets in (ALL, ALL[::-1], real):
        found = max(presets, key=lambda each: measure_fit(each, bars).sort_key)
        assert found.name == wanted.name
        assert measure_fit(found, bars).note_share == 1.0


def test_measure_fit() -> None:
    hymn, band = Bars.from_song(_HYMN), Bars.from_song(_BAND)
    voices = measure_fit(VOICES, hymn)
    assert (voices.note_share, voices.n_passes, voices.n_empty_slots) == (1, 1, 0)
    assert measure_fit(MELODY, hymn).n_passes == 4 and measure_fit(GROOVE, hymn).note_share == 0
    assert str(measure_fit(MELODY, hymn)) == "100% of the notes, in 4 passes"
    assert str(measure_fit(GROOVE, hymn)) == "none of the notes"
    drums = len(_BAND.parts[4]) / _BAND.n_notes
    assert measure_fit(VOICES, band).note_share == pytest.approx(1 - drums, abs=1e-9)
    assert measure_fit(VOICES, band).n_kind_mismatch == 1  # the piano is split into lines
    both = mean_fit(MELODY, [hymn, Bars.from_song(SONGS["one voice"][0])])
    assert both.n_passes == 2.5 and both.note_share == 1.0
    assert measure_fit(MELODY, Bars.from_song(Song.new(end_ticks=1920))).note_share == 0.0


def test_a_few_overlaps_do_not_change_the_best_preset() -> None:
    """A melody played legato, with one overlap in forty notes, is a melody."""
    notes = [(i * 480, 480, 60 + i % 7, 80) for i in range(40)]
    notes[20] = (20 * 480, 960, 66, 80)
    bars = Bars.from_song(Song.new([part_from_notes(notes)], end_ticks=41 * 480))
    assert measure_fit(MELODY, bars).n_passes == 1
    assert max(ALL, key=lambda each: measure_fit(each, bars).sort_key).name == "melody-2bar"


def test_windows_with_too_long_bars_do_not_count() -> None:
    song = chorale_song(bars=4, meter=(4, 4))
    longer = replace(song, meter=type(song.meter).constant(8, 4))
    assert measure_fit(VOICES, Bars.from_song(song)).note_share == 1.0
    assert measure_fit(VOICES, Bars.from_song(longer)).note_share == 0.0


def test_vote_preset() -> None:
    hymns = [Bars.from_song(chorale_song(bars=4, seed=i)) for i in range(2)]
    tune = Bars.from_song(SONGS["one voice"][0])
    found, share = vote_preset(ALL, [tune, *hymns])
    assert (found.name, round(share, 2)) == ("chorale-4bar", 0.67)
    assert vote_preset([MELODY], [Bars.from_song(SONGS["drums"][0])])[1] == 0.0


def checkpoint(path: Path, of: Preset, *, finished: bool = True, age: int = 0) -> Path:
    torch.manual_seed(0)
    tensors = {f"model.{name}": tensor for name, tensor in VAE(of).state_dict().items()}
    known = {"finished": finished, "held_out": {"f1": 0.1}}
    save(Checkpoint(preset=of, tensors=tensors, provenance=known), path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def save_run(name: str, of: Preset, **kind: object) -> Path:
    return checkpoint(Path("checkpoints") / name / "model.safetensors", of, **kind)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def models(shipped: Path) -> Path:
    for each in (MELODY, VOICES, GROOVE, LIED):
        checkpoint(shipped / f"{each.name}.safetensors", each)
    return shipped


@pytest.mark.parametrize("what", ["one voice", "four voices", "voice and piano", "drums"])
def test_song_gets_the_shipped_model_that_fits(models: Path, what: str) -> None:
    song, wanted = SONGS[what]
    choice = choose([Bars.from_song(song)])
    assert choice.path == models / f"{wanted.name}.safetensors"
    assert choice.reason == "shipped, it fits best: 100% of the notes, in 1 pass"


def test_measured_f1_decides_where_no_model_is_made_for_the_parts(models: Path) -> None:
    band, tune = ([Bars.from_song(SONGS[what][0])] for what in ("a band", "one voice"))
    f1, asked = {"song-4bar": 0.9, "any": 0.4}, list[str]()

    def measure(path: Path) -> float:
        asked.append(checkpoint_name(path))
        return f1.get(asked[-1], 0.5)

    assert choose(tune, measure=measure).path.stem == "melody-2bar" and not asked
    any_part = preset("any", "any", bits=900.0)
    checkpoint(models / "any.safetensors", any_part)
    found = choose(band, measure=measure)
    assert found.path.stem == "song-4bar" and "F1 0.90 on the first bars" in found.reason
    assert "any" in asked and len(asked) <= 4
    f1["any"] = 0.95
    assert choose(band, measure=measure).path.stem == "any"
    run = save_run("mine", any_part)
    f1["mine"] = 0.94  # about as well as any
    assert choose(band, measure=measure).path == run
    f1["mine"] = 0.8
    assert choose(band, measure=measure).path.stem == "any"


def test_newest_run_that_fits_precedes_shipped_models(models: Path) -> None:
    hymn, drums = (Bars.from_song(SONGS[what][0]) for what in ("four voices", "drums"))
    old = save_run("old", VOICES, age=9)
    save_run("new", MELODY, age=5)
    save_run("unfinished", VOICES, finished=False)
    choice = choose([hymn])
    assert choice.path == old
    assert choice.reason == "the newest run that fits: 100% of the notes, in 1 pass"
    choice = choose([drums])
    assert choice.path.stem == "groove-2bar"
    assert choice.reason.endswith("; new: none of the notes")
    tune = Bars.from_song(SONGS["one voice"][0])
    assert choose([tune]).path.parent.name == "new"
    assert choose([tune, hymn]).path == old


def test_choose_without_shipped_models() -> None:
    hymn = Bars.from_song(_HYMN)
    with pytest.raises(CheckpointError, match="no checkpoint there; train one with"):
        choose([hymn])
    unfinished = save_run("half", VOICES, finished=False)
    assert choose([hymn]).path == unfinished
    tune = save_run("tune", MELODY)
    assert choose([hymn]).path == tune
    assert choose([hymn]).reason == "the newest run that fits: 100% of the notes, in 4 passes"


def test_choose_without_songs(models: Path) -> None:
    assert find() == models / "chorale-4bar.safetensors"
    assert choose().reason == "shipped"
    (models / "chorale-4bar.safetensors").unlink()
    assert find() == models / "groove-2bar.safetensors"
    save_run("old", MELODY, age=3)
    newest = save_run("newer", GROOVE)
    assert find() == newest and choose().reason == "the newest run"


def test_find_by_name(models: Path) -> None:
    assert find("melody-2bar") == models / "melody-2bar.safetensors"
    mine = save_run("melody-2bar", MELODY)
    assert find("melody-2bar") == Path("checkpoints/melody-2bar/model.safetensors") == mine
    assert find("pretrained/melody-2bar") == models / "melody-2bar.safetensors"
    assert find(mine.parent) == find(mine) == mine
    with pytest.raises(CheckpointError) as error:
        find("melody-2bra")
    assert str(error.value) == (
        "melody-2bra: no such checkpoint (did you mean 'melody-2bar'?); shipped are chorale-4bar, "
        "groove-2bar, melody-2bar, song-4bar; train one with: musicvae train data/midi/"
    )


def test_runs_take_no_name_of_a_shipped_model(models: Path) -> None:
    assert default_run_name("chorale-4bar") == "my-chorale-4bar"
    assert default_run_name("tiny") == "tiny"
    for name in ("chorale-4bar", "pretrained"):
        with pytest.raises(CheckpointError, match=rf"{name}: .*take --name my-{name}"):
            claim_run_name(name, user_chosen=True)
    assert claim_run_name("mine", user_chosen=True) == "mine"
    done = CliRunner().invoke(main, ["train", str(models), "--name", "chorale-4bar"])
    assert done.exit_code == 1 and "the name of a shipped model" in done.stderr


def test_a_run_and_a_shipped_model_of_one_name_are_told_apart(models: Path) -> None:
    shipped = find("chorale-4bar")
    assert public_name(shipped) == "chorale-4bar"
    run = Path("checkpoints") / "chorale-4bar" / MODEL_FILE
    run.parent.mkdir(parents=True)
    run.write_bytes(shipped.read_bytes())
    found = find("chorale-4bar")
    assert Path(public_name(found)) == Path("checkpoints/chorale-4bar")
    assert public_name(shipped) == "pretrained/chorale-4bar"
    for path in (found, shipped):
        assert find(public_name(path)).samefile(path)
    elsewhere = models.parent / "other-place.safetensors"
    elsewhere.write_bytes(shipped.read_bytes())
    assert public_name(elsewhere) == str(elsewhere)


def test_damaged_run_is_skipped(models: Path) -> None:
    path = save_run("cut", VOICES)
    path.write_bytes(path.read_bytes()[:100])
    assert choose([Bars.from_song(_HYMN)]).path.stem == "chorale-4bar"
    assert find().stem == "chorale-4bar"


def test_best_shipped(models: Path) -> None:
    hymn, lied = (Bars.from_song(SONGS[what][0]) for what in ("four voices", "voice and piano"))
    assert best_shipped("song-4bar", [hymn]) == models / "song-4bar.safetensors"
    assert best_shipped("piano-2bar", [hymn]) is None
    found = best_shipped(None, [lied])
    assert found is not None and found.stem == "song-4bar"
    for name in ("melody-2bar", "chorale-4bar", "song-4bar"):
        (models / f"{name}.safetensors").unlink()
    assert best_shipped(None, [hymn]) is None


# -- from the command line ------------------------------------------------------------------------


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


def test_reconstruct_chooses_a_model_for_each_song(models: Path) -> None:
    for name in ("one voice", "four voices", "drums"):
        write(SONGS[name][0], f"in/{name.replace(' ', '-')}.mid")
    result = run("reconstruct", "in", "--out", "out", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    used = {Path(line["source"]).stem: Path(line["checkpoint"]).stem for line in lines}
    assert used == {
        "one-voice": "melody-2bar", "four-voices": "chorale-4bar", "drums": "groove-2bar"
    }  # fmt: skip
    messages = [line for line in result.stderr.splitlines() if line.startswith("using ")]
    assert len(messages) == 3 and all(
        "shipped, it fits best: 100% of the notes" in line for line in messages
    )
    for line in lines:
        assert read(line["path"]).end_ticks == read(line["source"]).end_ticks
    named = run("reconstruct", "in", "--out", "named", "--checkpoint", "chorale-4bar", "--json")
    used = {Path(json.loads(line)["checkpoint"]).stem for line in named.stdout.splitlines()}
    assert used == {"chorale-4bar"}
    assert named.stderr.count("using ") == 1


def test_interpolate_chooses_one_model(models: Path) -> None:
    write(SONGS["one voice"][0], "a.mid")
    write(SONGS["four voices"][0], "b.mid")
    assert "using chorale-4bar (shipped" in run("interpolate", "a.mid", "b.mid").stderr
    assert "using melody-2bar (shipped" in run("interpolate", "a.mid", "a.mid").stderr
    assert "using chorale-4bar (shipped), seed" in run("sample", "--n", "1").stderr


def test_header_is_parsed_again_only_if_the_file_changes(monkeypatch, tmp_path) -> None:
    from musicvae.checkpoints import checkpoint, load_header

    read: list[str] = []
    real = checkpoint.read_header

    def read_header(path, *arguments):
        read.append(str(path))
        return real(path, *arguments)

    monkeypatch.setattr(checkpoint, "read_header", read_header)
    preset = load_preset("tiny")
    path = save(Checkpoint(preset=preset, tensors={}), tmp_path / "a.safetensors")
    assert load_header(path).preset == preset
    assert load_header(path) is load_header(path) and len(read) == 1
    changed = {"finished": True}
    save(Checkpoint(preset=preset, tensors={}, provenance=changed), path)
    assert load_header(path).provenance == changed and len(read) == 2
    path.unlink()
    with pytest.raises(CheckpointError, match=r"a.safetensors: "):
        load_header(path)
