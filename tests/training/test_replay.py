"""Generative replay: fine-tuning batches contain windows sampled from the base model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import WindowDataset
from musicvae.checkpoints import Checkpoint, find, load
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.networks.vae import to_note_rows
from musicvae.training.finetune import fine_tuning_preset
from musicvae.training.replay import generate_replay, replace_windows
from musicvae.training.sampler import BatchSampler


@pytest.fixture(scope="module")
def melodies() -> Checkpoint:
    return load(find("melody-2bar"))


def test_replay_is_music_in_the_meters_of_training(melodies: Checkpoint) -> None:
    replay = generate_replay(melodies, 300, seed=1)
    assert replay is not None
    assert len(replay.n_notes) >= 300
    assert int((replay.n_notes == 0).sum()) < 60  # few windows are empty
    pitch = to_note_rows(replay)[:, 4]
    assert len(np.unique(pitch)) > 8
    usual = melodies.provenance["meters"]
    names = {melodies.preset.meters[i - 1] for i in replay.meter[:, 0].tolist() if i}
    assert {max(usual, key=lambda meter: usual[meter])} <= names <= set(usual)
    again = generate_replay(melodies, 300, seed=1)
    assert again is not None
    assert torch.equal(replay.notes, again.notes)
    other = generate_replay(melodies, 300, seed=2)
    assert other is not None
    assert not np.array_equal(to_note_rows(replay), to_note_rows(other))


def test_model_without_prior_gives_no_replay(melodies: Checkpoint) -> None:
    bare = {name: t for name, t in melodies.tensors.items() if not name.startswith("prior.")}
    assert generate_replay(replace(melodies, tensors=bare), 8) is None


def test_only_the_given_windows_are_replaced(melodies: Checkpoint) -> None:
    replay = generate_replay(melodies, 64)
    assert replay is not None
    narrow = replay._replace(notes=replay.notes[:8], n_notes=replay.n_notes[:8])
    batch = type(replay)(*(tensor[:8] for tensor in narrow))
    into, which = torch.tensor([1, 6]), torch.tensor([40, 41])
    made = replace_windows(batch, replay, into, which)
    for row in range(8):
        source, at = (replay, int(which[into == row])) if row in (1, 6) else (batch, row)
        n = int(source.n_notes[at])
        assert int(made.n_notes[row]) == n
        assert torch.equal(made.notes[row, :n], source.notes[at, :n])
        assert torch.equal(made.meter[row], source.meter[at])


def test_batches_contain_the_preset_share_of_replay(
    melodies: Checkpoint, midi_folder: Path
) -> None:
    preset = fine_tuning_preset(melodies.preset)
    assert preset.training.replay_share == 0.5
    windows = WindowDataset(midi_folder, preset, split="all")
    replay = generate_replay(melodies, 64)
    assert replay is not None
    marked = replay._replace(key=torch.full_like(replay.key, 99))
    kwargs = {"batch_size": 32, "seed": 0, "key_jitter": 0.0, "replay": marked}
    steps = BatchSampler(windows, **kwargs)
    share = np.mean([(steps.batch(i).key == 99).float().mean() for i in range(60)])
    assert 0.4 < share < 0.6
    assert torch.equal(
        steps.batch(5).notes, BatchSampler(windows, **kwargs, start=5).batch(5).notes
    )
    whole = steps.batch(3)
    for rank in range(2):
        mine = BatchSampler(windows, **kwargs, rank=rank, world=2).batch(3)
        assert torch.equal(mine.key, whole.key[rank::2])


def test_share_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.replay_share must be"):
        load_preset("tiny").with_settings(["training.replay_share=1.0"])
