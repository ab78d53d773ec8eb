"""A slot for any part: each part of a song through one model, alone, drums included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE, Song
from musicvae.config.preset import load_preset, preset_from_dict
from musicvae.data import WindowDataset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.errors import ConfigError
from musicvae.io import write
from musicvae.latent import file as latent_file
from musicvae.latent.matching import match_passes
from musicvae.representation.bars import Bars
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.part_traits import DRUMS, KIND
from musicvae.training import train
from musicvae.training.sampler import BatchSampler
from support.songs import band_song, part_from_notes

PRESET = load_preset("general").with_settings(
    [
        "model.latent=32",
        "model.width=64",
        "model.blocks=1",
        "training.batch=32",
        "training.kl_target_bits=60",
        "prior.width=32",
        "prior.layers=1",
        "prior.steps=30",
    ]
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bands in two collections, and a model of any part."""
    place = tmp_path_factory.mktemp("any")
    for nth in range(10):
        folder = "many" if nth < 8 else "few"
        write(
            replace(band_song(bars=8), has_notated_bars=True),
            place / "midi" / folder / f"{nth}.mid",
        )
    train(place / "midi", PRESET, place / "checkpoints" / "any", steps=60)
    return place


@pytest.fixture(scope="module")
def model(place: Path) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "any", device="cpu")


def test_every_part_goes_through_alone() -> None:
    song = band_song()
    inputs, passthrough = model_inputs(Bars.from_song(song), PRESET)
    assert not len(passthrough) and len(inputs) == len(song.parts)
    owners = sorted(int(each.model_pass.source_part[0]) for each in inputs)
    assert owners == list(range(len(song.parts)))
    for each in inputs:
        part = song.parts[int(each.model_pass.source_part[0])]
        assert len(each.model_pass.notes) == len(part)
        assert (each.traits[0, KIND] == DRUMS) == part.is_drum
        assert each.key == 0 or not part.is_drum


def test_drums_keep_their_pitches_in_every_key() -> None:
    inputs, _ = model_inputs(Bars.from_song(band_song()), PRESET)
    nth = next(i for i, each in enumerate(inputs) if each.traits[0, KIND] == DRUMS)
    batcher = WindowBatcher(inputs, PRESET)
    plain = batcher.batch(np.array([nth, 0]), np.zeros(2, np.int64))
    moved = batcher.batch(np.array([nth, 0]), np.zeros(2, np.int64), shift=np.array([5, 5]))
    count = int(plain.n_notes[0])
    assert plain.notes[0, :count, 3].equal(moved.notes[0, :count, 3]) and moved.key[0] == 0
    assert (plain.notes[1, : int(plain.n_notes[1]), 3] - 5).equal(
        moved.notes[1, : int(moved.n_notes[1]), 3]
    )


def test_slot_for_any_part_stands_alone() -> None:
    data = PRESET.to_dict()
    data["parts"] = [*data["parts"], {"name": "More"}]
    with pytest.raises(ConfigError, match="any only for the single part"):
        preset_from_dict(data, "here")
    with pytest.raises(ConfigError, match="note_durations"):
        PRESET.with_settings(["model.decoder=list"])


def test_songs_of_any_parts_come_back(place: Path, model: MusicVAE) -> None:
    song = replace(band_song(bars=8), has_notated_bars=True)
    encoding = model.encode(song)
    assert encoding.mu.shape[:2] == (len(song.parts), 4)
    assert encoding.n_passthrough == 0
    made = model.decode(encoding)
    assert [(p.name, p.program, p.is_drum) for p in made.parts] == [
        (p.name, p.program, p.is_drum) for p in song.parts
    ]
    for part in made.parts:
        if part.is_drum and len(part):
            assert (canonical_pitch(part.pitch) == part.pitch).all()
    assert model.decode_batch([encoding, encoding])[1].n_notes == made.n_notes


def test_latent_file_has_the_traits(model: MusicVAE, tmp_path: Path) -> None:
    encoding = model.encode(replace(band_song(), has_notated_bars=True))
    latent_file.save(encoding, tmp_path / "a.z", checkpoint="any")
    loaded = latent_file.load(tmp_path / "a.z").encoding
    assert len(loaded.traits) == len(encoding.traits)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.traits, encoding.traits, strict=True))
    assert model.decode(loaded).n_notes == model.decode(encoding).n_notes


def test_tools_take_any_parts(model: MusicVAE) -> None:
    song = replace(band_song(bars=8), has_notated_bars=True)
    assert model.sample(2, bars=4, seed=0)[0].parts
    for made in model.interpolate(song, replace(song, parts=song.parts[:2]), steps=3):
        assert made.parts
    assert len(Bars.from_song(model.extend(song, bars=2, seed=0))) == 10
    assert model.vary(song, seed=0)


def test_parts_of_two_songs_are_paired_by_kind_and_register(model: MusicVAE) -> None:
    song = replace(band_song(bars=8), has_notated_bars=True)
    one, other = model.encode(song), model.encode(replace(song, parts=song.parts[::-1]))
    owner = [int(each[0]) for each in other.source_parts]
    for nth, partner in enumerate(match_passes(one, other).tolist()):
        assert len(song.parts) - 1 - owner[partner] == int(one.source_parts[nth][0])
    fewer = model.encode(replace(song, parts=song.parts[:2]))
    partner = match_passes(one, fewer)
    drums = [bool(each[0, KIND] == DRUMS) for each in one.traits]
    assert (partner[drums] == -1).all() and sorted(partner[partner >= 0].tolist()) == [0, 1]
    halfway = model.interpolate(song, replace(song, parts=song.parts[:2]), steps=3)[1]
    assert halfway.parts


def test_triplets_and_thirty_seconds_have_cells() -> None:
    onsets = [0, 160, 320, 480, 540, 600, 660]
    part = part_from_notes([(at, 60, 60 + i, 80) for i, at in enumerate(onsets)], "Line")
    inputs, _ = model_inputs(Bars.from_song(Song.new([part])), PRESET)
    steps = inputs[0].model_pass.notes.step
    assert steps.tolist() == [0, 8, 16, 24, 27, 30, 33]


def test_folders_are_balanced(place: Path) -> None:
    windows = WindowDataset(place / "midi", PRESET, split="all")
    few = np.array([each.path.startswith("few/") for each in windows.inputs])[windows.input_index]
    kwargs = {"batch_size": 32, "seed": 0, "key_jitter": 0.0}
    for balance, share in ((1.0, 0.2), (0.5, 1 / 3), (0.0, 0.5)):
        preset = PRESET.with_settings([f"training.balance={balance}"])
        dataset = WindowDataset(place / "midi", preset, split="all")
        order = BatchSampler(dataset, **kwargs)._epoch_order(np.random.default_rng(0))
        assert len(order) == len(windows)
        assert few[order].mean() == pytest.approx(share, abs=0.02)


def test_folder_without_a_usable_window_is_no_matter(place: Path) -> None:
    windows = WindowDataset(place / "midi", PRESET, split="all")
    of_many = [nth for nth, each in enumerate(windows.inputs) if each.path.startswith("many/")]
    usable = np.isin(windows.input_index, of_many)
    windows.input_index, windows.first_bar = windows.input_index[usable], windows.first_bar[usable]
    sampler = BatchSampler(windows, batch_size=32, seed=0, key_jitter=0.0)
    order = sampler._epoch_order(np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(len(windows)))
