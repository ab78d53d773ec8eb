"""Steering: directions of attributes, the search, attribute vectors, and errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import MusicVAE, Song
from musicvae.checkpoints import Checkpoint, load, save
from musicvae.checkpoints.registry import shipped_folder
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.io import read, write
from musicvae.latent.codec import decodable_windows
from musicvae.latent.directions import Directions, min_norm_direction
from musicvae.tools.attribute_vector import AttributeVector, labels_to_numbers
from musicvae.tools.steer import clip_target, hill_climb
from musicvae.training import train
from musicvae.training.fit_directions import encode_examples, fit_directions, repeat_bars
from support.cli import lines_of, run
from support.songs import band_song, chorale_song, corpus_folder


def linear(K: int = 3, Z: int = 8, seed: int = 0) -> Directions:
    """Return directions of attributes that are linear in the latents."""
    rng = np.random.default_rng(seed)
    return Directions(
        names=("density", "range", "register")[:K],
        mean=np.zeros(K),
        std=np.ones(K),
        center=rng.normal(size=Z),
        variance=rng.uniform(0.5, 2, Z),
        linear=rng.normal(size=(K, Z)),
        hidden=rng.normal(size=(4, Z)),
        hidden_bias=np.zeros(4),
        output=np.zeros((K, 4)),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with MIDI files and a small trained model."""
    place = tmp_path_factory.mktemp("steering")
    corpus_folder(place / "data" / "midi", n=14, bars=8)
    preset = load_preset("tiny").with_settings(["training.batch=32"])
    train(place / "data" / "midi", preset, place / "checkpoints" / "tiny", steps=500)
    return place


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")


def test_axis_changes_its_attribute_and_no_other() -> None:
    directions = linear()
    assert np.allclose(directions.axes @ directions.linear.T, np.eye(3))


def test_step_reaches_its_target_with_least_norm() -> None:
    directions, rng = linear(), np.random.default_rng(1)
    z, by = rng.normal(size=(5, 8)), rng.normal(size=(5, 3))
    moved = directions.step(z, by)
    assert np.allclose(directions.predict(moved) - directions.predict(z), by, atol=0.2)
    # Any other step with the same effect is longer.
    inside = np.linalg.svd(directions.linear)[2][3:]
    length = lambda step: (step**2 / directions.variance).sum(1)  # noqa: E731
    for unseen in inside:
        assert (length(moved - z) <= length(moved - z + 0.3 * unseen) + 1e-9).all()


def test_gradients_are_those_of_the_prediction() -> None:
    directions = replace(linear(), output=np.random.default_rng(2).normal(size=(3, 4)))
    z, small = np.random.default_rng(3).normal(size=(2, 8)), 1e-5
    for dimension in range(8):
        step = np.eye(8)[dimension] * small
        slope = (directions.predict(z + step) - directions.predict(z - step)) / (2 * small)
        assert np.allclose(slope, directions.gradients(z)[:, :, dimension], atol=1e-5)


def test_dimensions_of_absent_bars_stay() -> None:
    z = np.random.default_rng(4).normal(size=(2, 8))
    z[:, 5:] = 0
    moved = linear().step(z, np.ones((2, 3)))
    assert (moved[:, 5:] == 0).all() and (moved[:, :5] != z[:, :5]).all()


def test_directions_round_trip_through_tensors() -> None:
    ways = linear()
    again = Directions.from_tensors(ways.to_tensors())
    assert again is not None and again.names == ways.names
    assert np.allclose(again.linear, ways.linear, atol=1e-6)
    assert Directions.from_tensors({}) is None


def test_min_norm_direction_raises_its_measure_by_one() -> None:
    weights, spread = np.array([1.0, -2, 0.5]), np.array([1.0, 0.5, 3])
    assert min_norm_direction(weights, spread) @ weights == pytest.approx(1)


def test_targets_are_clipped_to_the_range_of_attributes() -> None:
    ways = replace(linear(), names=("chromaticism", "register", "repetition"))
    before = np.array([[0.1, 60, 0.5], [0.0, 60, 1.0]])
    asked = clip_target(ways, before, np.full((2, 3), -1.0))
    assert asked.tolist() == [[-0.1, -1, -0.5], [0, -1, -1]]
    assert clip_target(ways, before, np.full((2, 3), 2.0)).tolist() == [[0.9, 2, 0.5], [1, 2, 0]]


def test_training_fits_directions(place, model) -> None:
    ways = model.directions
    assert ways is not None and set(ways.names) >= {"density", "register", "note_length"}
    assert "velocity" not in ways.names
    windows = WindowDataset(place / "data" / "midi", model.preset, split="train")
    mu, _, values, n = encode_examples(model.vae, windows, limit=64)
    assert len(mu) == len(values) == 2 * n
    column = ways.names.index("register")
    true = (values[:n, 2] - ways.mean[column]) / ways.std[column]
    assert np.corrcoef(ways.predict(mu[:n])[:, column], true)[0, 1] > 0.7


def test_repeat_bars_copies_the_first_bar(place, model) -> None:
    windows = WindowDataset(place / "data" / "midi", model.preset, split="train")
    plain = windows.batch(np.arange(min(len(windows), 24)))
    repeated = repeat_bars(plain, np.random.default_rng(0))
    assert repeated.notes.shape[0] == plain.notes.shape[0]
    changed = 0
    for before, after, nb, na in zip(
        plain.notes, repeated.notes, plain.n_notes, repeated.n_notes, strict=True
    ):
        a, b = before[:nb].numpy(), after[:na].numpy()
        first = a[a[:, 0] == 0]
        assert np.array_equal(b[b[:, 0] == 0], first)
        second = b[b[:, 0] == 1]
        if not np.array_equal(second, a[a[:, 0] == 1]):
            changed += 1
            onsets = first[first[:, 1] > 0].copy()
            onsets[:, 0] = 1
            assert np.array_equal(second, onsets)
    assert changed


@pytest.mark.parametrize("name", ["register", "density"])
def test_larger_target_gives_larger_change(model, name) -> None:
    """In no song against the request, and clearly over some songs; one song may have no room."""
    spread = []
    for seed in range(40, 44):
        song = chorale_song(bars=8, seed=seed)
        became = []
        for asked in (-3.0, 0.0, 3.0):
            found = model.steer_with_report(song, {name: asked})
            became.append(found.changes[name])
            assert found.song.end_ticks == song.end_ticks
            assert [p.name for p in found.song.parts] == [p.name for p in song.parts]
        assert became[0] <= became[1] == 0 <= became[2]
        spread.append(became[2] - became[0])
    assert np.mean(spread) > 0.2


def test_reported_attributes_are_those_of_the_song(model) -> None:
    """The search measures the decoded song."""
    song = chorale_song(bars=8, seed=41)
    found = model.steer_with_report(song, {"register": 1.5})
    plain = model.reconstruct(song)
    pitches = [np.concatenate([p.pitch for p in s.parts]).mean() for s in (plain, found.song)]
    nth = found.names.index("register")
    assert pitches[1] - pitches[0] == pytest.approx(found.after[nth] - found.before[nth], abs=1.0)


def test_no_change_is_the_reconstruction(model) -> None:
    song = chorale_song(bars=5, seed=42, pickup=1)
    plain, steered = model.reconstruct(song), model.steer(song, {"density": 0.0})
    for a, b in zip(plain.parts, steered.parts, strict=True):
        assert np.array_equal(a.pitch, b.pitch) and np.array_equal(a.onset_ticks, b.onset_ticks)


def test_steering_is_deterministic(model) -> None:
    song = chorale_song(bars=6, seed=43)
    a, b = (model.steer(song, {"density": 1}) for _ in range(2))
    for one, other in zip(a.parts, b.parts, strict=True):
        assert np.array_equal(one.pitch, other.pitch)


def test_passed_through_notes_stay(model) -> None:
    song = band_song()
    steered = model.steer(song, {"register": 1})
    drums = [next(p for p in s.parts if p.is_drum) for s in (song, steered)]
    assert np.array_equal(drums[0].onset_ticks, drums[1].onset_ticks)


def test_search_keeps_absent_dimensions(model) -> None:
    encoding = model.encode(chorale_song(bars=3, seed=44))
    n_passes = len(encoding.source_parts)
    group, nth = decodable_windows(encoding.bars, model.preset, n_passes)
    z = encoding.mu[group, nth]
    goal = np.zeros((len(z), len(model.directions.names)))
    goal[:, 0] = 1
    moved, before, after = hill_climb(
        model, model.decoder_context(encoding), group, nth * 2, z, goal
    )
    assert ((moved == 0) == (z == 0)).all() and before.shape == after.shape


def test_errors(model, tmp_path) -> None:
    song = chorale_song(bars=4)
    with pytest.raises(ConfigError, match="does not model velocity"):
        model.steer(song, {"velocity": 1})
    with pytest.raises(ConfigError, match="no such attribute; there are: density, range"):
        model.steer(song, {"loudness": 1})
    with pytest.raises(DataError, match="has no notes"):
        model.steer(Song.new([], end_ticks=1920), {"density": 1})
    kept = load(model.path)
    bare = {n: t for n, t in kept.tensors.items() if not n.startswith("directions.")}
    path = save(Checkpoint(preset=kept.preset, tensors=bare), tmp_path / "bare.safetensors")
    with pytest.raises(ConfigError, match="has no directions to steer by; fit them with"):
        MusicVAE.load(path).steer(song, {"density": 1})
    broken = kept.tensors | {"directions.linear": torch.zeros(1)}
    del broken["directions.names"]
    path = save(Checkpoint(preset=kept.preset, tensors=broken), tmp_path / "broken.safetensors")
    with pytest.raises(CheckpointError, match="its attribute directions are of another kind"):
        MusicVAE.load(path)


def test_attributes_of_a_song(model) -> None:
    found = model.attributes(chorale_song(bars=8, seed=45))
    assert "velocity" not in found and 3 < found["density"] < 8
    assert found["register"] == pytest.approx(62, abs=6)


# -- attribute vectors ---------------------------------------------------------------------------


def test_attribute_vector_of_a_function_steers(model) -> None:
    songs = [chorale_song(bars=6, seed=50 + i, transpose=0) for i in range(14)]
    way = model.fit_attribute_vector(songs, lambda song: float(song.n_notes), name="busy")
    assert way.name == "busy" and way.n_songs == 14 and np.isfinite(way.held_out_correlation)
    encoding = model.encode(songs[0])
    moved = encoding.mu + np.float32(1) * (way.vector * (encoding.mu != 0))
    assert ((moved - encoding.mu) @ way.weights > 0).all()
    busy = [model.steer(songs[0], directions=[(way, a)]).n_notes for a in (-4, 0, 4)]
    assert busy[0] < busy[2] or busy[0] < busy[1] or busy[1] < busy[2]


def test_attribute_vector_round_trip_and_model_check(model, tmp_path) -> None:
    songs = [chorale_song(bars=4, seed=i) for i in range(4)]
    way = model.fit_attribute_vector(songs, ["slow", "fast", "slow", "fast"])
    assert np.isnan(way.held_out_correlation)
    again = AttributeVector.load(way.save(tmp_path / "way.safetensors"))
    assert (
        np.allclose(again.vector, way.vector, atol=1e-5) and again.weights_hash == way.weights_hash
    )
    other = replace(again, weights_hash="0" * 12)
    with pytest.raises(ConfigError, match="is of another model"):
        model.steer(songs[0], directions=[(other, 1)])
    with pytest.raises(CheckpointError, match="not a direction"):
        AttributeVector.load(model.path)


def test_labels() -> None:
    assert labels_to_numbers(["reel", "jig", "jig"]).tolist() == [1, 0, 0]
    assert labels_to_numbers(["1", "2.5"]).tolist() == [1, 2.5]
    with pytest.raises(ConfigError, match="numbers or two words, these are 3"):
        labels_to_numbers(["a", "b", "c"])
    with pytest.raises(ConfigError, match="finite"):
        labels_to_numbers(["nan", "1"])


def test_uninformative_labels_are_refused(model) -> None:
    songs = [chorale_song(bars=4, seed=i) for i in range(3)]
    with pytest.raises(DataError, match="different labels"):
        model.fit_attribute_vector(songs, [1, 1, 1])
    with pytest.raises(ConfigError, match="3 songs and 2 labels"):
        model.fit_attribute_vector(songs, [1, 2])


# -- the commands ------------------------------------------------------------------------------


def test_steer_command(here) -> None:
    write(chorale_song(bars=6, seed=60), here / "hymn.mid")
    words = ("steer", "hymn.mid", "--density", "+1", "--register", "-1", "--out", "out", "--json")
    (line,) = lines_of(run(*words))
    assert line["path"] == str(Path("out") / "hymn-01.mid")
    assert line["asked"] == {"density": 1.0, "register": -1.0}
    assert line["moved"]["register"] < 0
    assert read(line["path"]).end_ticks == chorale_song(bars=6).end_ticks
    (second,) = lines_of(run(*words))
    assert second["path"] == str(Path("out") / "hymn-02.mid")
    assert Path(line["path"]).read_bytes() == Path(second["path"]).read_bytes()
    printed = run("steer", "hymn.mid", "--density", 1, "--out", "out").stdout
    assert "  density +" in printed and "of +1" in printed


def test_steer_command_reports_errors_in_one_line(here) -> None:
    write(chorale_song(bars=4), here / "plain.mid")
    result = run("steer", "plain.mid", "--velocity", 1)
    assert result.exit_code == 1 and "does not model velocity" in result.stderr
    assert run("steer", "plain.mid").exit_code == 2
    assert run("steer", "plain.mid", "--density", "nan").exit_code == 2
    assert run("steer", "plain.mid", "--direction", "x=much").exit_code == 2
    missing = run("steer", "plain.mid", "--direction", "none.safetensors=1")
    assert missing.exit_code == 1 and "none.safetensors" in missing.stderr
    assert "make one with: musicvae direction" in missing.stderr
    assert "musicvae train" not in missing.stderr
    assert "Traceback" not in result.output + missing.output


def test_direction_command_with_folders_and_labels(here) -> None:
    for i in range(6):
        write(chorale_song(bars=5, seed=70 + i), here / "plain" / f"{i}.mid")
        song = chorale_song(bars=5, seed=70 + i)
        slow = [p.select(np.arange(len(p)) % 2 == 0) for p in song.parts]
        write(replace(song, parts=tuple(slow)), here / "sparse" / f"{i}.mid")
    words = ("direction", "--from-folders", "plain", "sparse", "--out", "full.safetensors")
    (line,) = lines_of(run(*words, "--json"))
    assert line["songs"] == 12 and line["held_out"] > 0.5
    assert run(*words).exit_code == 1  # the file exists
    (here / "mood.csv").write_text("song,label\n0.mid,3\n1,5\nplain/2.mid,9\n")
    (line,) = lines_of(
        run("direction", "plain", "--labels", "mood.csv", "--out", "m.safetensors", "--json")
    )
    assert line["songs"] == 3 and line["held_out"] is None
    assert run("direction", "plain").exit_code == 2
    none = run("direction", "plain", "--labels", "nothing.csv")
    assert none.exit_code == 1 and "nothing.csv" in none.stderr


def test_direction_between_folders_steers_both_ways(here) -> None:
    """With a shipped model, since a tiny one has little room."""
    shipped = ("--checkpoint", shipped_folder() / "chorale-4bar.safetensors")
    for i in range(6):
        song = chorale_song(bars=5, seed=70 + i)
        write(song, here / "dense" / f"{i}.mid")
        thin = [p.select(np.arange(len(p)) % 2 == 0) for p in song.parts]
        write(replace(song, parts=tuple(thin)), here / "thin" / f"{i}.mid")
    words = ("direction", "--from-folders", "dense", "thin", "--out", "dense.safetensors")
    (line,) = lines_of(run(*words, *shipped, "--json"))
    assert line["held_out"] > 0.5
    counts = []
    for amount in (-3, 0, 3):
        words = ("steer", "thin/0.mid", "--direction", f"dense.safetensors={amount}")
        (made,) = lines_of(run(*words, *shipped, "--out", f"by{amount}", "--json"))
        assert made["notes"] == read(made["path"]).n_notes
        counts.append(made["notes"])
    assert 1.1 * counts[0] < counts[1] < counts[2] / 1.1


def test_labels_without_matching_songs_are_refused(here) -> None:
    (here / "other.csv").write_text("zzz,1\n")
    result = run("direction", "data/midi", "--labels", "other.csv", "--out", "zzz.safetensors")
    assert result.exit_code == 1 and "labels for none of the" in result.stderr
    (here / "short.csv").write_text("zzz\n")
    result = run("direction", "data/midi", "--labels", "short.csv", "--out", "zzz.safetensors")
    assert result.exit_code == 1 and "line 1 has no label" in result.stderr


def test_fitting_directions_is_deterministic(place, model) -> None:
    windows = WindowDataset(place / "data" / "midi", model.preset, split="train")
    a, b = (fit_directions(model.vae, windows, steps=20) for _ in range(2))
    assert all(np.array_equal(x, b.to_tensors()[n]) for n, x in a.to_tensors().items())
