"""Models conditioned on chords: batches, networks, training, sampling, evaluation, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import MusicVAE, Song
from musicvae.checkpoints import load, save
from musicvae.chords import QUALITIES, ChordMap, format_symbol, parse_symbol
from musicvae.config.preset import Preset, load_preset
from musicvae.data import Shards, WindowDataset
from musicvae.data.prepare import prepare
from musicvae.errors import CheckpointError, ConfigError
from musicvae.evaluation import evaluate, format_evaluation
from musicvae.io import read, write
from musicvae.io.options import ReadOptions
from musicvae.latent import file as latent_file
from musicvae.latent import serialization
from musicvae.networks.layers import ChordEmbedding
from musicvae.networks.priors.flow import FlowPrior
from musicvae.representation.bars import Bars
from musicvae.representation.chord_grid import UNKNOWN
from musicvae.training import train
from musicvae.training.sampler import BatchSampler
from support.cli import run
from support.songs import part_from_notes

PRESET = load_preset("melody-2bar").with_settings(
    [
        "conditions.chords=true",
        "model.width=64",
        "model.latent=16",
        "training.batch=32",
        "training.kl_target_bits=12",
        "prior.width=32",
        "prior.layers=1",
    ]
)
TRIADS = [parse_symbol(symbol)[0] for symbol in ("C", "Dm", "Em", "F", "G", "Am")]


def chord_song(seed: int, bars: int = 8) -> Song:
    """Return a melody of eighths that are tones of the chord of each bar, which the song states."""
    rng = np.random.default_rng(seed)
    chords = [TRIADS[i] for i in rng.integers(0, len(TRIADS), bars)]
    line = []
    for bar, chord in enumerate(chords):
        pitches = [p for p in range(60, 80) if p % 12 in chord.pitch_classes]
        eighths = enumerate(rng.choice(pitches, 8).tolist(), start=8 * bar)
        line += [(240 * at, 240, pitch, 80) for at, pitch in eighths]
    song = Song.new([part_from_notes(line, "Fiddle")])
    stated = ChordMap.from_chords(zip(range(0, 1920 * bars, 1920), chords, strict=True))
    return replace(song, chords=stated, has_notated_bars=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `midi/`, its shards, and a model trained on them in `checkpoints/chords`."""
    place = tmp_path_factory.mktemp("chords")
    for seed in range(60):
        write(chord_song(seed), place / "midi" / f"{seed}.mid")
    prepare(place / "midi", place / "shards", options=ReadOptions(as_written=True))
    train(place / "shards", PRESET, place / "checkpoints" / "chords", steps=250)
    return place


@pytest.fixture(scope="module")
def model(place: Path) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "chords", device="cpu")


def test_batches_carry_chords_by_quarter_in_the_common_key(place: Path) -> None:
    windows = WindowDataset(place / "shards", PRESET, split="all", hop_bars=2)
    batch = windows.batch([0, 5], shift=np.array([0, 5]))
    assert batch.chords.shape == (2, 2, PRESET.grid.quarters, 3)
    assert (batch.chords[:, :, 4:] == UNKNOWN).all()  # past the end of 4/4
    for row, nth in enumerate((0, 5)):
        stored = {s.path: s for s in Shards(place / "shards")}
        source = windows.inputs[windows.input_index[nth]]
        stated = stored[source.path].bars.header.chords
        bar = int(windows.first_bar[nth])
        root = 7 * int(stated.root[bar]) - int(batch.key[row])
        assert batch.chords[row, 0, :4, 0].tolist() == [root % 12] * 4
        assert batch.chords[row, 0, :4, 1].tolist() == [int(stated.quality[bar])] * 4


def test_found_chords_condition_and_guesses_do_not(tmp_path: Path) -> None:
    song = replace(chord_song(0), chords=ChordMap.none())
    steps = range(0, 8 * 1920, 1920)
    stated = dict(zip(steps, chord_song(0).chords.chords, strict=True))
    chords = [
        (at, 1920, 48 + pitch, 80) for at in steps for pitch in sorted(stated[at].pitch_classes)
    ]
    write(song, tmp_path / "midi" / "alone.mid")
    write(
        replace(song, parts=(*song.parts, part_from_notes(chords, "Piano"))),
        tmp_path / "midi" / "accompanied.mid",
    )
    prepare(tmp_path / "midi", tmp_path / "shards", options=ReadOptions(as_written=True))
    found = {each.path: each for each in Shards(tmp_path / "shards")}
    assert not len(found["alone.mid"].chords)
    assert not len(found["accompanied.mid"].bars.header.chords)
    wanted = [format_symbol(chord) for chord in stated.values()]
    labels = [
        each.partition("/")[0] for each in found["accompanied.mid"].chords.labels(format_symbol)
    ]
    assert len(set(labels) & set(wanted)) >= 3
    windows = WindowDataset(tmp_path / "shards", PRESET, split="all")
    known = {s.path: (s.chords is not None) for s in windows.inputs}
    assert known == {"alone.mid": False, "accompanied.mid": True}


def test_chords_are_hidden_in_a_share_of_training_windows(place: Path) -> None:
    windows = WindowDataset(place / "shards", PRESET)
    kwargs = {"batch_size": 64, "seed": 1, "key_jitter": 0.0}
    sampler = BatchSampler(windows, **kwargs)
    hidden = [(sampler.batch(step).chords < 0).flatten(1).all(1) for step in range(8)]
    assert 0.1 < torch.cat(hidden).float().mean() < 0.3
    whole, rank = sampler.batch(2), BatchSampler(windows, **kwargs, rank=1, world=2).batch(2)
    assert torch.equal(rank.chords, whole.chords[1::2])
    unconditioned = WindowDataset(place / "shards", load_preset("melody-2bar"))
    assert (BatchSampler(unconditioned, **kwargs).batch(0).chords[:, 0, 0] >= 0).all()


def test_embedding_tells_chords_apart_and_is_zero_where_unknown() -> None:
    embedding = ChordEmbedding(64)
    root, quality, bass = np.meshgrid(range(12), range(1, len(QUALITIES)), [0, 5], indexing="ij")
    chords = torch.tensor(np.stack([root, quality, bass], -1).reshape(-1, 1, 3), dtype=torch.int8)
    rows = embedding(chords)[:, 0]
    assert len(torch.unique(rows.round(decimals=4), dim=0)) == len(chords)
    unknown = torch.full((1, 1, 3), UNKNOWN, dtype=torch.int8)
    assert not embedding(unknown).any() and embedding(torch.zeros_like(unknown)).any()
    two = ChordEmbedding(8, n_quarters=2)
    assert two(chords.reshape(2, -1, 3)[:, :4]).shape == (2, 2, 8)


def test_samples_keep_the_chords_that_are_asked_for(place: Path, model: MusicVAE) -> None:
    assert isinstance(model.prior, FlowPrior) and model.prior.chords is not None
    found = evaluate(model, place / "shards", split="all", seed=0, n=32, limit=32)
    assert found.chords is not None and found.chords.songs == 60
    tones = found.chords.tones
    assert tones["songs"] == 1.0
    assert tones["samples"] > tones["unconditional"] + 0.15
    assert "samples over their chords" in format_evaluation(found)
    assert found.to_dict()["chords"]["tones"] == tones


def test_samples_state_the_progression(model: MusicVAE) -> None:
    songs = model.sample(2, bars=6, chords="C | Dm G/B | Am", seed=0)
    again = model.sample(2, bars=6, chords="C | Dm G/B | Am", seed=0)
    assert songs == again
    for song in songs:
        assert song.chords.labels(format_symbol) == ["C", "Dm", "G/B", "Am"] * 2
        assert song.chords.ticks.tolist()[:4] == [0, 1920, 2880, 3840]
        assert song.key.fifths.tolist() == [0]
    assert model.sample(1, bars=4, chords="D | A", key=0, seed=0)[0].key.fifths.tolist() == [0]
    assert model.sample(1, bars=4, chords="D | A", seed=0)[0].key.fifths.tolist() == [2]
    assert not len(model.sample(1, bars=4, seed=0)[0].chords)
    with pytest.raises(ConfigError, match="'H7' is no chord"):
        model.sample(1, chords="C | H7")


def test_command_samples_over_chords(place: Path, monkeypatch) -> None:
    monkeypatch.chdir(place)
    made = run("sample", "--checkpoint", "chords", "--n", "1", "--chords", "C | F", "--out", "y")
    assert made.exit_code == 0, made.stderr
    assert set(read(place / "y" / "song-01.mid").chords.labels(format_symbol)) == {"C", "F"}


def test_latents_carry_the_chords_they_were_encoded_with(model: MusicVAE, tmp_path: Path) -> None:
    song = chord_song(3)
    encoding = model.encode(song)
    assert encoding.chords is not None
    latent_file.save(encoding, tmp_path / "a.z", checkpoint="chords")
    loaded = latent_file.load(tmp_path / "a.z").encoding
    assert np.array_equal(loaded.chords, encoding.chords)
    assert model.decode(loaded).n_notes == model.decode(encoding).n_notes
    assert model.decode(encoding).chords == song.chords
    runs = serialization.to_dict(encoding)
    runs["quarter_chords"][0][0] += 64 * len(encoding.bars) * 8  # far more than bars can hold
    with pytest.raises(ValueError, match="wrong number of chords"):
        serialization.from_dict(runs)
    # Found chords condition the model and are not written.
    unstated = replace(song, chords=ChordMap.none(), parts=song.parts * 3)
    assert not len(model.decode(model.encode(unstated)).chords)


def test_between_two_songs_the_chords_are_in_the_key_between(model: MusicVAE) -> None:
    one, other = chord_song(1), chord_song(2)
    up = replace(
        other,
        parts=tuple(p.with_notes(p.onset_ticks, p.duration_ticks, p.pitch + 4, p.velocity)
                    for p in other.parts),
        chords=other.chords.transposed(4),
    )  # fmt: skip
    for song in model.interpolate(one, up, steps=5):
        assert song.n_notes
    longer = model.extend(one, bars=4, seed=0)
    assert len(Bars.from_song(longer)) == 12 and longer.chords == one.chords


def test_weights_without_chords_start_a_conditioned_run(place: Path, tmp_path: Path) -> None:
    plain = Preset(**{**vars(PRESET), "conditions": load_preset("melody-2bar").conditions})
    base = train(place / "shards", plain, tmp_path / "plain", steps=20).model
    run_ = train(place / "shards", PRESET, tmp_path / "told", steps=1, weights=base)
    found = load(run_.model)
    assert found.preset.conditions.chords
    names = [name for name in found.tensors if name.endswith("conditions.chords.embed.weight")]
    assert len(names) == 2
    with pytest.raises(ConfigError, match="not conditioned on chords"):
        MusicVAE.load(base).sample(1, chords="C | G")
    # The other way round chords would be lost.
    with pytest.raises(CheckpointError, match="do not fit"):
        train(place / "shards", plain, tmp_path / "back", steps=1, weights=run_.model)


def test_prior_without_chords_does_not_fit_a_conditioned_model(place: Path, tmp_path: Path) -> None:
    checkpoint = load(place / "checkpoints" / "chords" / "model.safetensors")
    tensors = {n: t for n, t in checkpoint.tensors.items() if "prior.chords" not in n}
    save(replace(checkpoint, tensors=tensors), tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="another model"):
        MusicVAE.load(tmp_path / "other.safetensors")
