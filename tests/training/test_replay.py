"""Fine-tuning does not forget: what the model it begins from draws is rehearsed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import Windows
from musicvae.checkpoints import Checkpoint, find, load
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.networks.vae import rows_of
from musicvae.training.finetune import fine_tuning
from musicvae.training.replay import dreamt, mixed
from musicvae.training.sampler import Steps


@pytest.fixture(scope="module")
def melodies() -> Checkpoint:
    return load(find("melody-2bar"))


def test_dreams_are_music_in_the_usual_meters(melodies: Checkpoint) -> None:
    dreams = dreamt(melodies, 300, seed=1)
    assert dreams is not None
    assert len(dreams.n_notes) >= 300
    assert int((dreams.n_notes == 0).sum()) < 60  # rests there are, but few
    pitch = rows_of(dreams)[:, 4]
    assert len(np.unique(pitch)) > 8
    usual = melodies.provenance["meters"]
    names = {melodies.preset.meters[i - 1] for i in dreams.meter[:, 0].tolist() if i}
    assert {max(usual, key=lambda meter: usual[meter])} <= names <= set(usual)
    again = dreamt(melodies, 300, seed=1)
    assert again is not None
    assert torch.equal(dreams.notes, again.notes)
    other = dreamt(melodies, 300, seed=2)
    assert other is not None
    assert not np.array_equal(rows_of(dreams), rows_of(other))


def test_a_model_without_a_prior_does_not_dream(melodies: Checkpoint) -> None:
    bare = {name: t for name, t in melodies.tensors.items() if not name.startswith("prior.")}
    assert dreamt(replace(melodies, tensors=bare), 8) is None


def test_mixing_puts_dreams_where_it_says_and_nowhere_else(melodies: Checkpoint) -> None:
    dreams = dreamt(melodies, 64)
    assert dreams is not None
    narrow = dreams._replace(notes=dreams.notes[:8], n_notes=dreams.n_notes[:8])
    batch = type(dreams)(*(tensor[:8] for tensor in narrow))
    into, which = torch.tensor([1, 6]), torch.tensor([40, 41])
    made = mixed(batch, dreams, into, which)
    for row in range(8):
        source, at = (dreams, int(which[into == row])) if row in (1, 6) else (batch, row)
        n = int(source.n_notes[at])
        assert int(made.n_notes[row]) == n
        assert torch.equal(made.notes[row, :n], source.notes[at, :n])
        assert torch.equal(made.meter[row], source.meter[at])


def test_steps_rehearse_the_share_that_the_preset_says(
    melodies: Checkpoint, midi_folder: Path
) -> None:
    preset = fine_tuning(melodies.preset)
    assert preset.training.rehearsal == 0.5
    windows = Windows(midi_folder, preset, split="all")
    dreams = dreamt(melodies, 64)
    assert dreams is not None
    marked = dreams._replace(key=torch.full_like(dreams.key, 99))
    kwargs = {"batch": 32, "seed": 0, "key_jitter": 0.0, "dreams": marked}
    steps = Steps(windows, **kwargs)
    share = np.mean([(steps.at(i).key == 99).float().mean() for i in range(60)])
    assert 0.4 < share < 0.6
    assert torch.equal(steps.at(5).notes, Steps(windows, **kwargs, start=5).at(5).notes)
    whole = steps.at(3)
    for rank in range(2):
        mine = Steps(windows, **kwargs, rank=rank, world=2).at(3)
        assert torch.equal(mine.key, whole.key[rank::2])


def test_a_share_of_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="rehearsal"):
        load_preset("tiny").with_settings(["training.rehearsal=1.0"])
