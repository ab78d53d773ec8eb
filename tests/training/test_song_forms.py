"""Forms and pickups of the training songs, which a model stores for sampling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE
from musicvae.data import WindowDataset
from musicvae.io import write
from musicvae.networks.priors.flow import FlowPrior
from musicvae.song import Song
from musicvae.swing import Swing
from musicvae.training.provenance import pickups, provenance, swings
from musicvae.training.song_forms import song_forms
from support.songs import part_on_grid, small_chorale
from support.trained import tiny_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with MIDI files and a small trained model."""
    return tiny_workplace(tmp_path_factory)


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "tiny")


def test_forms_of_training_songs_are_stored_with_the_prior(place, model) -> None:
    windows = WindowDataset(place / "midi", "tiny", split="train")
    forms = song_forms(windows)
    assert isinstance(model.prior, FlowPrior) and len(forms) == len(model.prior.forms)
    there = forms >= 0
    assert (forms <= np.arange(forms.shape[1])).all() and there[:, 0].all()
    label = model.prior.sample_forms(3, 5, np.random.default_rng(0))
    assert label.shape == (3, 5) and (label <= np.arange(5)).all()
    longer = model.prior.sample_forms(2, 90, np.random.default_rng(0))  # than any stored form
    assert longer.shape == (2, 90) and np.array_equal(longer[:, 64:], [range(64, 90)] * 2)


def test_sparse_second_voice_has_no_form(tmp_path) -> None:
    line = [(i * 48, 48, 60 + (i * i) % 11, 80) for i in range(40)]
    double = [(i * 48, 48, 50, 80) for i in (5, 22)]
    song = Song.new([part_on_grid(sorted(line + double), 10, name="Fiddle")])
    write(song, tmp_path / "midi" / "fiddle.mid")
    windows = WindowDataset(tmp_path / "midi", "melody-2bar", split="all")
    assert len(windows.inputs) == 2  # the line, and the second voice
    assert len(song_forms(windows)) == 1
    assert pickups(windows) == {"4/4": {"0": 1}}  # and one song


def test_pickups_of_training_songs_are_stored_in_provenance(place, model) -> None:
    known = model.provenance["pickups"]
    assert sum(sum(count.values()) for count in known.values()) == model.provenance["songs"]
    assert known == pickups(WindowDataset(place / "midi", "tiny", split="train"))


def test_swing_of_training_songs_is_counted(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for name, swing in (("straight", None), ("swung", Swing(2.0))):
        eighths = np.flatnonzero(rng.random(256) < np.tile([0.95, 0.6], 128)).tolist()
        line = [
            (24 * at, 24, int(pitch), 80) for at in eighths for pitch in rng.integers(60, 80, 1)
        ]
        song = Song.new([part_on_grid(line, 10, name="Fiddle")])
        write(replace(song, swing=swing), tmp_path / "midi" / f"{name}.mid")
    windows = WindowDataset(tmp_path / "midi", "melody-2bar", split="all")
    assert swings(windows) == {"straight": 1, "2:1 in eighths": 1}
    assert provenance(windows, "here", "float32")["swing"] == swings(windows)


def test_pickups_with_notes_are_counted(tmp_path) -> None:
    for seed in range(3):
        song = small_chorale(seed=seed, bars=8)  # after a pickup of a quarter
        write(song, tmp_path / "midi" / f"{seed}.mid")
    late = replace(song, parts=tuple(p.select(p.onset_ticks >= 480) for p in song.parts))
    write(late, tmp_path / "midi" / "late.musicxml")
    windows = WindowDataset(tmp_path / "midi", "tiny", split="all")
    counts = pickups(windows)["4/4"]
    assert counts["1/4"] == 3 and set(counts) <= {"1/4", "0"}
