"""Anomaly detection: unusual bars are found, and explained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import Bars, MusicVAE, Song
from musicvae.checkpoints import load, save
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.downbeats import estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.io import write
from musicvae.latent.surprisal import FEATURE_KEYS, FEATURES, ReferenceStats, surprisal
from musicvae.tools.anomaly import combine_part_scores
from musicvae.tools.anomaly_reasons import bar_measures, explain_bar
from musicvae.tools.outliers import misplaced, robust_deviations, song_features
from support.cli import run
from support.songs import band_song, chorale_song, corpus_folder, part_from_notes, wandering_song
from support.trained import denoising_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return denoising_workplace(tmp_path_factory)


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "denoiser")


def with_bar(song: Song, bar: int, change) -> Song:
    """Return a song in 4/4 with the notes of one bar, counted from 1, changed."""
    begin, stop = (bar - 1) * 1920, bar * 1920
    parts = []
    for part in song.parts:
        mine = (part.onset_ticks >= begin) & (part.onset_ticks < stop)
        columns = [part.onset_ticks.copy(), part.duration_ticks, part.pitch.copy(), part.velocity]
        columns[0][mine], columns[2][mine] = change(part.onset_ticks[mine], part.pitch[mine])
        columns[1] = columns[1].copy()
        columns[1][mine] = np.minimum(columns[1][mine], stop - columns[0][mine])
        parts.append(part.with_notes(*columns))
    return replace(song, parts=tuple(parts))


def as_written(song: Song):
    """Return the bar lines of a song as notated."""
    return estimate_barlines(song, as_written=True)


def semitone_up(onset, pitch):
    """Transpose by a semitone."""
    return onset, pitch + 1


def sixteenth_later(onset, pitch):
    """Move by a sixteenth."""
    return onset + 120, pitch


@pytest.mark.parametrize("change", [semitone_up, sixteenth_later], ids=["semitone", "sixteenth"])
def test_changed_bar_has_the_highest_score(model, change) -> None:
    found = 0
    for seed in range(4):
        song = with_bar(chorale_song(bars=10, seed=600 + seed), 4 + seed, change)
        scores = model.anomalies(as_written(song))
        assert scores.reference == "corpus" and len(scores.bar_scores) == 10
        found += int(scores.bar_numbers[np.nanargmax(scores.bar_scores)] == 4 + seed)
        assert scores.anomalies[0].anomaly_score == pytest.approx(np.nanmax(scores.part_scores))
    assert found >= 3


def test_wrong_note_is_named_with_its_beat(model) -> None:
    song = chorale_song(bars=10, seed=650)
    bass = song.parts[3]
    pitch = bass.pitch.copy()
    nth = int(np.flatnonzero(bass.onset_ticks == 5 * 1920 + 960)[0])  # bar 6, beat 3
    pitch[nth] += 6
    wrong = bass.with_notes(bass.onset_ticks, bass.duration_ticks, pitch, bass.velocity)
    scores = model.anomalies(as_written(replace(song, parts=(*song.parts[:3], wrong))))
    odd = scores.anomalies[0]
    assert (odd.bar, odd.part, odd.name) == (6, 3, "Bass")
    assert odd.reasons[0].startswith("improbable: ") and "at beat 3" in odd.reasons[0]


def test_noise_scores_higher_than_plain_songs(model) -> None:
    plain = [model.anomalies(chorale_song(bars=8, seed=500 + i)).anomaly_score for i in range(3)]
    rng = np.random.default_rng(0)
    song = chorale_song(bars=8, seed=1)
    noise = [
        part.with_notes(
            np.sort(rng.integers(0, 8 * 1920 - 500, len(part))),
            part.duration_ticks,
            rng.integers(50, 80, len(part)),
            part.velocity,
        )
        for part in song.parts
    ]
    off_grid = as_written(replace(song, parts=tuple(noise)))
    assert model.anomalies(off_grid).anomaly_score > max(plain) + 5
    assert max(map(abs, plain)) < 5


def test_song_is_compared_with_itself_without_reference_stats(model, place) -> None:
    kept = load(place / "checkpoints" / "denoiser" / "model.safetensors")
    known = {name: value for name, value in kept.provenance.items() if name != "norms"}
    save(replace(kept, provenance=known), place / "bare.safetensors")
    song = with_bar(chorale_song(bars=10, seed=610), 5, semitone_up)
    scores = MusicVAE.load(place / "bare.safetensors").anomalies(as_written(song))
    assert scores.reference == "song"
    assert scores.bar_numbers[np.nanargmax(scores.bar_scores)] == 5


def test_reference_stats_round_trip(model) -> None:
    data = model.provenance["norms"]
    stats = ReferenceStats.from_dict(json.loads(json.dumps(data)))
    assert stats is not None and stats.to_dict() == data
    assert set(data["features"]) == set(FEATURE_KEYS)
    assert stats.anomaly_score(stats.mean) == pytest.approx(0)
    assert stats.anomaly_score(stats.mean + stats.std) == pytest.approx(1)
    assert ReferenceStats.from_dict({}) is None
    assert ReferenceStats.from_dict({"features": {"other": [0, 1]}}) is None
    assert ReferenceStats.from_features([]) is None


def test_rhythm_and_pitch_features_separate_their_causes(model) -> None:
    """A displaced bar has a surprising rhythm, a transposed one surprising pitches."""
    by = {}
    for change in (semitone_up, sixteenth_later):
        song = with_bar(chorale_song(bars=9, seed=620), 5, change)
        sources, _ = model_inputs(Bars.from_song(song).at(4), model.preset)
        (found,) = surprisal(model.vae, sources)
        rest = np.delete(np.arange(9), 4)
        by[change] = {
            name: np.nanmean(values[4]) / max(np.nanmean(values[rest]), 1e-3)
            for name, values in found.features.items()
        }
    assert (
        by[sixteenth_later]["rhythm"] > 2
        and by[sixteenth_later]["rhythm"] > by[semitone_up]["rhythm"]
    )
    assert (
        by[semitone_up]["pitch"] > 1.5 and by[semitone_up]["pitch"] > by[sixteenth_later]["pitch"]
    )
    assert by[semitone_up]["notes"] > 2 and by[sixteenth_later]["notes"] > 2


def test_batcher_returns_the_notes_of_each_input(tmp_path) -> None:
    songs = [Bars.from_song(chorale_song(bars=3 + i, seed=i)) for i in range(3)]
    from musicvae.config.preset import load_preset

    preset = load_preset("tiny")
    sources = [source for bars in songs for source in model_inputs(bars, preset)[0]]
    batcher = WindowBatcher(sources, preset)
    for i, source in enumerate(sources):
        again = batcher.input_notes(i)
        for name, column in vars(source.model_pass.notes).items():
            assert np.array_equal(getattr(again, name), column)
    windows = WindowDataset(corpus_folder(tmp_path, n=4), preset, split="all")
    assert sum(len(windows.batcher.input_notes(i)) for i in range(4)) == windows.batcher.n_notes


@pytest.mark.parametrize(
    "song",
    [band_song(), wandering_song(40, seed=2, parts=2, drums=True), wandering_song(1, seed=4)],
    ids=["band", "meter changes", "one bar"],
)
def test_any_song_can_be_scored(model, song: Song) -> None:
    scores = model.anomalies(song)
    assert scores.part_scores.shape == (len(scores.bar_numbers), len(song.parts))
    data = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert len(data["bars"]) == len(scores.bar_numbers) and data["unusual"]
    drums = [i for i, part in enumerate(song.parts) if part.is_drum]
    assert np.isnan(scores.part_scores[:, drums]).all()
    assert scores.n_passthrough == sum(len(song.parts[i]) for i in drums)


def test_pickup_is_bar_zero(model) -> None:
    scores = model.anomalies(chorale_song(bars=4, pickup=1))
    assert scores.bar_numbers.tolist() == [0, 1, 2, 3, 4]


def test_song_without_representable_notes_is_refused(model) -> None:
    with pytest.raises(DataError, match="has no notes"):
        model.anomalies(Song.new([]))


def test_model_not_trained_on_denoising_is_refused(tmp_path) -> None:
    import torch

    from musicvae.config.preset import load_preset
    from musicvae.networks.vae import VAE

    torch.manual_seed(0)
    vae = VAE(load_preset("tiny"))
    sources, _ = model_inputs(Bars.from_song(chorale_song()), vae.preset)
    with pytest.raises(ConfigError, match="was not trained on denoising"):
        surprisal(vae, sources)


@pytest.mark.parametrize("decoder", ["flat", "roll"])
def test_decoders_without_cell_probabilities_are_refused(decoder: str) -> None:
    from musicvae.config.preset import load_preset
    from musicvae.latent.note_posterior import require_cell_decoder
    from musicvae.networks.vae import VAE

    preset = load_preset("tiny")
    vae = VAE(replace(preset, model=replace(preset.model, decoder=decoder)))
    with pytest.raises(ConfigError, match=f"decoder={decoder} cannot denoise"):
        require_cell_decoder(vae)


def test_bar_score_is_midway_between_mean_and_maximum() -> None:
    parts = np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan], [2.0, np.nan, np.nan]])
    found = combine_part_scores(parts)
    assert found[0] == 2.5 and np.isnan(found[1]) and found[2] == 2.0


# -- reasons -------------------------------------------------------------------------------------


def test_bar_measures_find_register_key_and_dissonance() -> None:
    song = chorale_song(bars=9, seed=7)
    high = with_bar(song, 5, lambda onset, pitch: (onset, pitch + 24))
    plain = bar_measures(Bars.from_song(high))
    assert (plain["higher than usual"][4] > 3).all()
    assert (np.delete(plain["higher than usual"], 4, 0) < 3).all()
    outside = bar_measures(Bars.from_song(with_bar(song, 5, semitone_up)))["notes out of key"]
    assert outside[4].mean() > 3 and np.delete(outside, 4, 0).mean() < 1
    clash = song.parts[1].with_notes(
        song.parts[1].onset_ticks,
        song.parts[1].duration_ticks,
        np.where(song.parts[1].onset_ticks // 1920 == 4, 66, song.parts[1].pitch),
        song.parts[1].velocity,
    )
    harsh = bar_measures(
        Bars.from_song(replace(song, parts=(song.parts[0], clash, *song.parts[2:])))
    )
    assert harsh["dissonant with the other parts"][4, 1] > 2


def test_reasons_are_few_and_the_strongest_first() -> None:
    flat = np.zeros(len(FEATURES))
    assert explain_bar(flat, 0.0, {}, []) == []
    deviations = flat.copy()
    deviations[FEATURES.index("rhythm")] = 4.0
    deviations[FEATURES.index("missing")] = 5.0
    found = explain_bar(deviations, 0.1, {"higher than usual": 2.0, "other": np.nan}, [])
    assert found == [
        "a rhythm unlike the neighboring bars",
        "higher than usual",
    ]  # too few missing notes
    assert explain_bar(deviations, 0.9, {}, [])[0] == "notes seem to be missing"
    deviations[FEATURES.index("max")] = 6.0
    notes = [(1.0, 0.04, 61, False), (3.5, 0.001, 70, False), (2.0, 0.3, 60, False)]
    assert (
        explain_bar(deviations, 0.0, {}, notes)[0] == "improbable: Bb4 at beat 3.5, C#4 at beat 1"
    )


def test_outliers_and_misplaced_songs() -> None:
    away = robust_deviations([0.1, -0.2, 0.0, 0.2, 9.0, float("nan")])
    assert away.argmax() == 4 or np.nanargmax(away) == 4
    assert away[4] > 3 and np.isnan(away[5]) and (away[:4] < 3).all()
    hymns = [song_features(Bars.from_song(chorale_song(bars=8, seed=i))) for i in range(9)]
    lines = [song_features(Bars.from_song(wandering_song(12, seed=i))) for i in range(9)]
    labels = ["hymns"] * 8 + ["lines"] + ["lines"] * 8 + ["hymns"]  # one of each is misplaced
    found = misplaced(np.stack([*hymns, *lines]), labels)
    assert found[8] == "hymns" and found[17] == "lines"
    assert [i for i, where in enumerate(found) if where] == [8, 17]
    assert misplaced(np.stack(hymns), ["hymns"] * 9) == [None] * 9


# -- the command ----------------------------------------------------------------------------------


def test_command_prints_plots_and_writes_json(place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    write(with_bar(chorale_song(bars=8, seed=630), 5, semitone_up), "odd.mid")
    done = run("score", "odd.mid", "--plot", "pics", "--most", 3, "--as-written")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "relative to the training songs" in lines[0] and len(lines) == 5
    assert lines[1].startswith("  bar 5 ") and lines[-1] == "pics/odd-score.png"
    assert Path("pics/odd-score.png").stat().st_size > 5000
    whole = run("score", "odd.mid", "--table", "--as-written")
    assert len(whole.stdout.splitlines()) == 1 + 8 * 4
    printed = json.loads(run("score", "odd.mid", "--json", "--as-written").stdout)
    assert printed["kind"] == "score" and len(printed["bars"]) == 8
    assert printed["unusual"][0]["bar"] == 5 and printed["unusual"][0]["reasons"]
    assert printed["features"] == list(FEATURE_KEYS)


def test_command_marks_the_outlier_of_a_folder(place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    folder = corpus_folder(Path("many"), n=6, bars=6)
    rng = np.random.default_rng(1)
    notes = [(int(t) * 120, 110, int(rng.integers(50, 80)), 80) for t in range(0, 96, 3)]
    write(Song.new([part_from_notes(notes, "Noise")], end_ticks=96 * 120), folder / "noise.mid")
    (folder / "broken.mid").write_bytes(b"MThd no")
    done = run("score", folder, "--json", "--as-written")
    assert (
        done.exit_code == 1 and "broken.mid" in done.stderr
    )  # reported, and the others are scored
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    files = {Path(row["path"]).name: row for row in rows if row["kind"] == "file"}
    assert len(files) == 7
    assert [name for name, row in files.items() if row["outlier"]] == ["noise.mid"]
    head, *words = run("score", folder, "--as-written").stdout.splitlines()
    assert head.split()[:2] == ["song", "score"]
    assert "noise.mid" in words[0] and "outlier" in words[0] and len(words) == 7
