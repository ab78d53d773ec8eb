"""Denoising: improbable notes are corrected, and all others are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import Bars, MusicVAE, Song
from musicvae.checkpoints import choose, find, load, save
from musicvae.config.corruption_kinds import CORRUPTIONS, corruption_kinds, parse_corruption_shares
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.data.corruption import apply_corruptions, sample_amounts, silence_bars
from musicvae.downbeats import estimate_barlines
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.io import write
from musicvae.latent.note_posterior import NotePosterior
from musicvae.latent.song_input import SongInput
from musicvae.networks.vae import VAE, without_notes
from musicvae.representation.bars import Notes
from musicvae.tools.note_edits import Thresholds, apply_edits, propose_edits
from musicvae.training.sampler import BatchSampler
from support.cli import run
from support.denoising import denoising_preset
from support.songs import band_song, chorale_song, part_from_notes, wandering_song
from support.trained import denoising_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with a small denoising model of plain hymns."""
    return denoising_workplace(tmp_path_factory)


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "denoiser")


def exact(song: Song) -> list[set[tuple[int, ...]]]:
    """Return the notes of each part, exact to the tick."""
    columns = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    return [
        set(zip(*(getattr(part, name).tolist() for name in columns), strict=True))
        for part in song.parts
    ]


def onsets(song: Song) -> set[tuple[int, int, int]]:
    return {(i, n[0], n[2]) for i, notes in enumerate(exact(song)) for n in notes}


def f1(made: Song, true: Song) -> float:
    a, b = onsets(made), onsets(true)
    return 2 * len(a & b) / (len(a) + len(b))


def with_part(song: Song, nth: int, **columns) -> Song:
    part = song.parts[nth]
    known = {n: getattr(part, n).copy() for n in ("onset_ticks", "duration_ticks", "pitch")}
    for name, change in columns.items():
        known[name] = change(known[name])
    other = part.with_notes(**known, velocity=part.velocity)
    return replace(song, parts=(*song.parts[:nth], other, *song.parts[nth + 1 :]))


# -- corruption in training ------------------------------------------------------------------------


def test_preset_names_one_or_several_corruptions() -> None:
    preset = denoising_preset()
    assert (
        preset.training.condition_kinds == corruption_kinds("mixed")
        and len(preset.training.condition_kinds) > 3
    )
    single = load_preset("tiny").with_settings(["training.corruption=pitch_substitution"])
    assert (
        single.training.condition_kinds == ()
        and single.training.effective_corruption == "pitch_substitution"
    )
    two = denoising_preset("training.corruption=onset_jitter+truncation")
    assert two.training.condition_kinds == ("onset_jitter", "truncation")
    for words in ("onset_jitter+rust", "onset_jitter+onset_jitter", "mixed+truncation"):
        with pytest.raises(ConfigError, match="several joined by"):
            denoising_preset(f"training.corruption={words}")


def test_corruption_shares_are_parsed_and_validated() -> None:
    assert parse_corruption_shares("onset_jitter=0.2, deletion=0.1") == {
        "onset_jitter": 0.2,
        "deletion": 0.1,
    }
    with pytest.raises(ConfigError, match="did you mean 'onset_jitter'"):
        parse_corruption_shares("jiter=0.1")
    for words in ("onset_jitter", "onset_jitter=2", "onset_jitter=x"):
        with pytest.raises(ConfigError, match=r"write it as onset_jitter=0\.1"):
            parse_corruption_shares(words)


def test_amounts_are_sampled_within_the_limit() -> None:
    kinds = ("pitch_substitution", "deletion", "part_mask", "humanize")
    amounts = sample_amounts(kinds, 4000, 0.25, np.random.default_rng(0))
    assert amounts.shape == (4000, 4) and amounts.min() == 0
    assert 0.12 < (amounts.sum(1) == 0).mean() < 0.25
    lacking = (amounts[:, 2:] > 0).any(1)
    assert lacking.any() and amounts[:, 3].max() > 0.9
    assert ((amounts[lacking] > 0).sum(1) == 1).all()  # masking kinds are not combined
    assert amounts[~lacking].sum(1).max() <= 0.25 and (amounts[:, :2] > 0).all(1).any()


def test_encoder_and_decoder_are_conditioned_on_corruption(tmp_path) -> None:
    torch.manual_seed(0)
    preset = denoising_preset()
    vae = VAE(preset).eval()
    source, _ = model_inputs(Bars.from_song(chorale_song()), preset)
    plain = WindowBatcher(source, preset).batch(np.array([0]), np.array([0]))
    assert (
        plain.corruption.shape == (1, len(preset.training.condition_kinds))
        and not plain.corruption.any()
    )
    amounts = torch.zeros(len(preset.training.condition_kinds))
    amounts[1] = 0.2
    conditioned = WindowBatcher(source, preset, amounts).batch(np.array([0]), np.array([0]))
    assert torch.equal(conditioned.corruption[0], amounts)
    assert not torch.equal(vae.encode(plain).mu, vae.encode(conditioned).mu)
    z = vae.latent_slices(vae.encode(plain).mu)
    odds = [
        vae.decoder.note_probabilities(z, without_notes(each))[0] for each in (plain, conditioned)
    ]
    assert not torch.equal(*odds)
    unconditioned = VAE(load_preset("tiny"))
    assert not any("damage" in name for name in unconditioned.state_dict())


def test_clean_and_corrupted_batch_share_the_condition(tmp_path) -> None:
    from support.songs import corpus_folder

    windows = WindowDataset(corpus_folder(tmp_path, n=6), denoising_preset(), split="all")
    lesson = BatchSampler(windows, batch_size=16, seed=1, key_jitter=0.0).example(3)
    assert (
        torch.equal(lesson.batch.corruption, lesson.corrupted.corruption)
        and lesson.batch.corruption.any()
    )
    clean = lesson.batch.corruption.sum(1) == 0
    same = (lesson.batch.n_notes == lesson.corrupted.n_notes)[clean]
    assert same.all()


def test_note_probabilities_of_a_voice_sum_to_at_most_one(model) -> None:
    source, _ = model_inputs(Bars.from_song(chorale_song(bars=3)), model.preset)
    batch = WindowBatcher(source, model.preset).batch(np.array([0]), np.array([2]))
    z = model.vae.latent_slices(model.vae.encode(batch).mu)
    odds, length = model.vae.decoder.note_probabilities(z, without_notes(batch))
    assert odds.shape[1:3] == length.shape[1:] and (odds.sum(-1) <= 1.0001).all()
    steps = model.preset.grid.max_steps
    assert (odds[:, 16:steps] == 0).all()  # 4/4 has 16 of 24 cells
    assert (odds[:, steps:] == 0).all()  # the song has one more bar, not two
    assert odds[:, :16].sum() > 3


def test_masked_bars_are_silent_and_others_unchanged() -> None:
    from musicvae.data.corruption import WindowGrid

    rows = np.array(
        [(0, b, 1 + 8 * i, r, 60, 12, 80, 0) for b in (0, 1) for i in (0, 1) for r in (0, 1)]
    )
    ground = WindowGrid(
        steps=np.full((1, 2), 16), lead_steps=np.zeros((1, 2), np.int64), kinds=("chords", "chords")
    )
    silent = np.zeros((1, 2, 2), bool)
    silent[0, 1, 0] = True
    left = silence_bars(rows.copy(), ground, silent)
    assert {tuple(r[[1, 3]]) for r in left} == {(0, 0), (0, 1), (1, 1)}
    last = left[(left[:, 1] == 0) & (left[:, 3] == 0)][-1]
    assert last[5] == 8  # cut at the masked bar
    amounts = np.array([[0.0, 1.0]])
    assert not len(
        apply_corruptions(
            rows, ground, ("pitch_substitution", "part_mask"), amounts, np.random.default_rng(0)
        )
    )


# -- edits of given probabilities -------------------------------------------------------------


def make_posterior(song: Song, sure: float = 0.9) -> tuple[NotePosterior, Bars]:
    """Return a posterior in which exactly the notes of a monophonic song are probable."""
    preset = load_preset("melody-2bar")
    bars = Bars.from_song(song).at(4)
    (source,), _ = model_inputs(bars, preset)
    probability = np.zeros((int(bars.grid.cell_offsets[-1]), 1, 88), np.float32)
    found = NotePosterior(
        model_input=source,
        onset_probability=probability,
        duration_steps=np.full(probability.shape[:2], 4),
        is_covered=np.ones(len(probability), bool),
        lowest_pitch=21,
        is_drum=np.zeros(1, bool),
        is_polyphonic=np.zeros(1, bool),
    )
    probability[found.observed] = sure
    return found, bars


def line(*notes: tuple[int, int, int]) -> Song:
    """Return a two-bar line from notes (sixteenth, duration, pitch)."""
    made = [(120 * at, 120 * long, pitch, 70 + i) for i, (at, long, pitch) in enumerate(notes)]
    return Song.new([part_from_notes(made, "Line")], end_ticks=32 * 120)


TUNE = line((0, 4, 60), (4, 4, 62), (8, 4, 64), (12, 4, 65), (16, 4, 67), (20, 4, 65), (24, 8, 60))


def set_probability(found: NotePosterior, cell: int, pitch: int, p: float) -> None:
    """Set the probability that a pitch starts in a cell."""
    column = int(found.pitch_to_column(np.array([pitch]), np.array([0]))[0])
    found.onset_probability[cell, 0, column] = p


def corrected(song: Song, found: NotePosterior, bars: Bars, strength: float = 0.5) -> Song:
    return apply_edits(
        song, bars, [found], [propose_edits(found, Thresholds.from_strength(strength))]
    )


def test_probable_notes_are_not_changed() -> None:
    found, bars = make_posterior(TUNE)
    assert propose_edits(found, Thresholds.from_strength(1.0)) == []
    assert exact(corrected(TUNE, found, bars)) == exact(TUNE)
    set_probability(found, 8, 64, 0.0001)
    assert propose_edits(found, Thresholds.from_strength(0.0)) == []  # at strength 0 nothing at all
    found.is_covered[:] = False
    assert propose_edits(found, Thresholds.from_strength(0.5)) == []  # nor outside of the windows


def test_improbable_pitch_is_replaced_and_the_rest_stays() -> None:
    found, bars = make_posterior(TUNE)
    set_probability(found, 8, 64, 0.01)
    set_probability(found, 8, 63, 0.8)
    (change,) = propose_edits(found, Thresholds.from_strength(0.5))
    assert (change.kind, change.before, change.after) == ("pitch", (8, 64), (8, 63))
    assert change.probability_before == pytest.approx(
        0.01
    ) and change.probability_after == pytest.approx(0.8)
    before, after = exact(TUNE)[0], exact(corrected(TUNE, found, bars))[0]
    assert before - after == {(960, 480, 64, 72)} and after - before == {(960, 480, 63, 72)}


def test_slightly_more_probable_note_does_not_replace_another() -> None:
    found, bars = make_posterior(TUNE, 0.45)
    set_probability(found, 8, 63, 0.5)
    assert propose_edits(found, Thresholds.from_strength(0.5)) == []
    assert exact(corrected(TUNE, found, bars)) == exact(TUNE)


def test_displaced_note_moves_back_and_its_neighbor_closes_the_gap() -> None:
    # The third note is a sixteenth late, which leaves a gap after the one before.
    late = line(
        (0, 4, 60), (4, 4, 62), (9, 3, 64), (12, 4, 65), (16, 4, 67), (20, 4, 65), (24, 8, 60)
    )
    found, bars = make_posterior(late)
    set_probability(found, 9, 64, 0.01)
    set_probability(found, 8, 64, 0.9)
    (change,) = propose_edits(found, Thresholds.from_strength(0.5))
    assert change.kind == "moved"
    assert exact(corrected(late, found, bars)) == exact(TUNE)


def test_moving_an_early_note_lengthens_the_one_before() -> None:
    early = line(
        (0, 4, 60), (4, 3, 62), (7, 4, 64), (12, 4, 65), (16, 4, 67), (20, 4, 65), (24, 8, 60)
    )
    found, bars = make_posterior(early)
    set_probability(found, 7, 64, 0.01)
    set_probability(found, 8, 64, 0.9)
    assert exact(corrected(early, found, bars)) == exact(TUNE)


def test_inserted_note_is_removed_and_the_one_before_lengthened() -> None:
    more = line(
        (0, 4, 60), (4, 4, 62), (8, 2, 64), (10, 2, 61), (12, 4, 65), (16, 4, 67), (20, 4, 65),
        (24, 8, 60),
    )  # fmt: skip
    found, bars = make_posterior(more)
    set_probability(found, 10, 61, 0.01)
    (change,) = propose_edits(found, Thresholds.from_strength(0.5))
    assert change.kind == "removed" and change.after is None
    made = exact(corrected(more, found, bars))[0]
    assert {note[:3] for note in made} == {note[:3] for note in exact(TUNE)[0]}


def test_missing_note_is_added_with_free_duration_and_velocity_of_its_neighbors() -> None:
    fewer = line((0, 4, 60), (4, 4, 62), (12, 4, 65), (16, 4, 67), (20, 4, 65), (24, 8, 60))
    found, bars = make_posterior(fewer)
    set_probability(found, 8, 64, 0.9)
    found.duration_steps[8] = 9  # longer than there is room for
    (change,) = propose_edits(found, Thresholds.from_strength(0.5))
    assert change.kind == "added" and np.isnan(change.probability_before)
    before, after = exact(fewer)[0], exact(corrected(fewer, found, bars))[0]
    assert before <= after and after - before == {(960, 480, 64, 72)}


def test_microtiming_of_a_moved_note_is_kept() -> None:
    played = with_part(TUNE, 0, onset_ticks=lambda at: at + np.array([0, 7, -9, 5, 0, 3, 0]))
    found, bars = make_posterior(played)
    set_probability(found, 8, 64, 0.01)
    set_probability(found, 8, 62, 0.9)
    after = exact(corrected(played, found, bars))[0]
    assert {note[0] for note in after} == {note[0] for note in exact(played)[0]}


# -- a model, songs -------------------------------------------------------------------------------


def corrupted_song(song: Song, seed: int = 0) -> Song:
    """Return a hymn in eighths with displaced, wrong and missing notes."""
    rng = np.random.default_rng(seed)
    parts = []
    for part in song.parts:
        kind = rng.choice(4, len(part), p=[0.88, 0.04, 0.04, 0.04])
        onset = part.onset_ticks + 120 * (kind == 1)
        pitch = part.pitch + 6 * (kind == 2)
        keep = kind != 3
        columns = (onset, np.minimum(part.duration_ticks, 360), pitch, part.velocity)
        parts.append(part.with_notes(*(column[keep] for column in columns)))
    return replace(song, parts=tuple(parts))


def test_model_recovers_more_than_half_and_lists_its_changes(model) -> None:
    before = after = 0.0
    for seed in (1, 3):
        song = chorale_song(bars=10, seed=800 + seed, qpm=60)
        dirty = corrupted_song(song, seed)
        found = model.denoise(dirty)
        before, after = before + f1(dirty, song), after + f1(found.song, song)
        was, now = exact(dirty), exact(found.song)
        assert len(found.changes) > 3 and found.n_passthrough == 0
        for change in found.changes:
            assert 1 <= change.bar <= 10 and 1 <= change.beat < 5
            assert change.name == song.parts[change.part].name
            assert (change.probability_before is None) == (change.kind == "added")
            assert change.probability_before is None or change.probability_before < 0.25
            assert (change.probability_after is None) == (change.kind == "removed")
        # All notes that moved or vanished are listed, and little else: a note may replace
        # another one of its pitch that moved.
        gone = sum(
            len({n[::2] for n in a} - {n[::2] for n in b}) for a, b in zip(was, now, strict=True)
        )
        assert gone <= found.n_changed <= gone + 2
        assert json.loads(json.dumps([c.to_dict() for c in found.changes]))
    assert after - before > 0.5 * (2 - before)


def test_song_with_mostly_improbable_notes_is_left_unchanged(model) -> None:
    """A briefly trained model cannot cope with so many corrupted notes."""
    dirty = corrupted_song(chorale_song(bars=10, seed=800, qpm=60), 0)
    found = model.denoise(dirty)
    assert len(found.changes) < 0.5 * dirty.n_notes
    assert f1(found.song, dirty) > 0.5


def test_clean_songs_are_kept(model) -> None:
    total = same = 0
    for seed in range(4):
        song = chorale_song(bars=10, seed=700 + seed)
        found = model.denoise(song)
        same += sum(len(a & b) for a, b in zip(exact(song), exact(found.song), strict=True))
        total += song.n_notes
    assert same >= 0.98 * total


def test_strength_zero_changes_nothing(model) -> None:
    dirty = corrupted_song(chorale_song(bars=6, pickup=1, meter=(3, 4)))
    found = model.denoise(dirty, strength=0.0)
    assert exact(found.song) == exact(dirty) and found.changes == []
    assert found.song.end_ticks == dirty.end_ticks


@pytest.mark.parametrize(
    "song",
    [
        band_song(),
        wandering_song(30, seed=3, parts=3, drums=True),
        wandering_song(1, seed=1),
        chorale_song(bars=2, pickup=1),
    ],
    ids=["band", "meter changes", "one bar", "pickup"],
)
def test_any_song_keeps_its_maps_and_passed_through_notes(model, song: Song) -> None:
    found = model.denoise(song, strength=1.0)
    made = found.song
    assert made.end_ticks == song.end_ticks and made.ticks_per_quarter == song.ticks_per_quarter
    assert [(p.name, p.program, p.is_drum) for p in made.parts] == [
        (p.name, p.program, p.is_drum) for p in song.parts
    ]
    for name in ("ticks", "numerator", "denominator"):
        assert np.array_equal(getattr(made.meter, name), getattr(song.meter, name))
    assert np.array_equal(made.tempo.us_per_quarter, song.tempo.us_per_quarter)
    drums = [i for i, part in enumerate(song.parts) if part.is_drum]
    assert all(exact(made)[i] == exact(song)[i] for i in drums)
    assert found.n_passthrough >= sum(len(song.parts[i]) for i in drums)


def test_late_file_keeps_its_own_timing(model) -> None:
    song = chorale_song(bars=12, seed=5)
    shifted = replace(
        song,
        parts=tuple(with_part(song, i, onset_ticks=lambda at: at + 187).parts[i] for i in range(4)),
        end_ticks=song.end_ticks + 187,
    )
    aligned = estimate_barlines(shifted)
    found = model.denoise(aligned)
    before, after = exact(shifted), exact(found.song)
    kept = sum(len(a & b) for a, b in zip(before, after, strict=True))
    assert kept >= shifted.n_notes - 2 * len(found.changes)


def test_errors_of_songs_and_models(model, place) -> None:
    with pytest.raises(DataError, match="no notes that preset tiny can represent"):
        model.denoise(Song.new([part_from_notes([(0, 60, 38, 90)], is_drum=True)]))
    with pytest.raises(DataError):
        model.denoise(Song.new([]))
    with pytest.raises(
        ConfigError, match=r"was not trained on corruption by tapify \(but on pitch_substitution"
    ):
        model.denoise(chorale_song(), corruption={"tapify": 1.0})
    with pytest.raises(ConfigError, match="strength 2"):
        model.denoise(chorale_song(), strength=2)
    plain = place / "plain.safetensors"
    preset = load_preset("tiny")
    tensors = {f"model.{n}": t for n, t in VAE(preset).state_dict().items()}
    kept = load(place / "checkpoints" / "denoiser" / "model.safetensors")
    save(replace(kept, preset=preset, tensors=tensors), plain)
    with pytest.raises(ConfigError, match="was not trained on denoising"):
        MusicVAE.load(plain).denoise(chorale_song())


def test_notes_in_one_cell_are_merged(model) -> None:
    song = chorale_song(bars=4)
    twice = with_part(song, 0, onset_ticks=lambda at: at)
    part = twice.parts[0]
    both = part.overlay(
        part_from_notes([(5, 100, int(part.pitch[0]), 90)], part.name, part.program)
    )
    song_input = SongInput.from_song(model.preset, replace(twice, parts=(both, *twice.parts[1:])))
    assert len(song_input.bars.notes) == song.n_notes  # one of the two is kept
    assert isinstance(song_input.bars.notes, Notes)


# -- the command ----------------------------------------------------------------------------------


def test_command_writes_songs_changes_and_plots(place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    write(corrupted_song(chorale_song(bars=8, seed=2), 1), "take.mid")
    done = run("denoise", "take.mid", "--plot", "--out", "good", "--as-written")
    assert done.exit_code == 0, done.output
    assert "using" in done.stderr and "denoiser" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("good/take.mid: ") and len(lines) > 3
    assert all(line.startswith("  bar ") and "probability: " in line for line in lines[1:])
    assert Path("good/take-changes.png").stat().st_size > 5000
    again = run("denoise", "take.mid", "--out", "good")
    assert again.exit_code == 1 and "--force" in again.stderr
    set_probability = run(
        "denoise", "take.mid", "--out", "more", "--json", "--expect", "onset_jitter=0.1"
    )
    result = json.loads(set_probability.stdout)
    assert result["changes"] and result["changed"] <= len(result["changes"])
    assert {change["kind"] for change in result["changes"]} <= {
        "moved",
        "added",
        "removed",
        "pitch",
    }
    bad = run("denoise", "take.mid", "--expect", "rust=1")
    assert bad.exit_code == 1 and "there are: " in bad.stderr and "Traceback" not in bad.output


def test_songs_of_one_name_have_a_plot_each(place, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(place)
    for nth in range(2):
        write(corrupted_song(chorale_song(bars=4, seed=nth), nth), f"two/{nth}/take.mid")
    words = ("denoise", "two", "--plot", "--out", "twice", "--as-written", "--json")
    done = run(*words)
    assert done.exit_code == 0, done.output
    plots = [json.loads(line)["plot"] for line in done.stdout.splitlines()]
    assert plots == ["twice/take-changes.png", "twice/take-2-changes.png"]
    contents = [Path(each).read_bytes() for each in plots]
    assert contents[0] != contents[1]
    Path("twice/take.mid").unlink()
    again = run(*words)
    assert again.exit_code == 1 and "take-changes.png: already exists" in again.stderr
    assert not Path("twice/take.mid").exists()


def test_denoising_models_are_chosen_for_denoising_only(place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    hymn = Bars.from_song(chorale_song())
    assert choose([hymn], corruptions=("onset_jitter",)).path.parent.name == "denoiser"
    with pytest.raises(CheckpointError, match="no denoising model there for tapify"):
        choose([hymn], corruptions=("tapify",))
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        choose([hymn])
    with pytest.raises(CheckpointError):
        find()
    assert find("denoiser").parent.name == "denoiser"
    write(chorale_song(), "hymn.mid")
    done = run("reconstruct", "hymn.mid", "--out", "r")
    assert done.exit_code == 1 and "no checkpoint there" in done.stderr


def test_corruptions_of_shipped_presets_exist() -> None:
    shipped = ("chorale-repair", "melody-repair", "groove-repair")
    for name in shipped:
        preset = load_preset(name)
        assert preset.denoises and set(preset.training.condition_kinds) <= set(CORRUPTIONS)
        assert preset.prior.kind == "none"
