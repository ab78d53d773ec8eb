"""Shipped models: found by name, small, documented, and accurate on their kind of music."""

from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE
from musicvae.checkpoints import find, read_header, shipped_checkpoints
from musicvae.checkpoints.registry import shipped_folder
from musicvae.config.preset import preset_names
from musicvae.song import Song
from support.songs import chorale_song, part_from_notes

NAMES = ("chorale-4bar", "general", "groove-2bar", "melody-16bar", "melody-2bar", "song-4bar")
DENOISING = ("chorale-repair", "groove-repair", "melody-repair")


@pytest.fixture(autouse=True)
def shipped() -> Path:
    """Use the shipped models."""
    return shipped_folder()


def melody() -> Song:
    """Return a plain tune in eighths and quarters, with a repeated note in every bar."""
    steps, notes, at = (67, 67, 69, 71, 72, 71, 69), [], 0
    for bar in range(16):
        for i, length in enumerate((240, 240, 240, 240, 480, 240, 240)):
            notes.append((at, length, steps[(i + bar * (i > 1)) % 7], 80))
            at += length
    return Song.new([part_from_notes(notes)])


def beat() -> Song:
    """Return a rock beat: hi-hat in eighths, kick and snare in turn, accents on the beats."""
    hits = []
    for q in range(64):
        hits += [(q * 480, 60, 42, 90), (q * 480 + 240, 60, 42, 60)]
        hits.append((q * 480, 60, 38 if q % 2 else 36, 100))
    return Song.new([part_from_notes(hits, is_drum=True)])


def onsets(song: Song) -> set[tuple[int, int]]:
    """Return onset in sixteenths and pitch of every note."""
    sixteenth = song.ticks_per_quarter / 4
    return {
        (round(tick / sixteenth), pitch)
        for part in song.parts
        for tick, pitch in zip(part.onset_ticks.tolist(), part.pitch.tolist(), strict=True)
    }


def test_all_shipped_models_exist_and_have_presets() -> None:
    assert {path.stem for path in shipped_checkpoints()} == {*NAMES, *DENOISING}
    assert {*NAMES, *DENOISING} <= set(preset_names())


@pytest.mark.parametrize("name", (*NAMES, *DENOISING))
def test_shipped_model_is_small_and_documented(name: str) -> None:
    path = find(name)
    assert path.stat().st_size < (16_000_000 if name == "general" else 8_000_000)
    known = read_header(path)["provenance"]
    card = path.with_suffix(".md").read_text("utf-8")
    assert known["finished"] and (name in DENOISING or known["figures"])
    for what in ("data", "licence", "limits"):
        assert known[what] and known[what] in card
    notice = (Path(__file__).parents[2] / "NOTICE").read_text("utf-8")
    assert name != "groove-2bar" or ("CC BY 4.0" in known["licence"] and "Groove" in notice)


@pytest.mark.parametrize(
    ("name", "song", "least"),
    [
        ("melody-2bar", melody(), 0.97),
        ("melody-16bar", melody(), 0.9),
        ("chorale-4bar", chorale_song(), 0.7),
        ("song-4bar", chorale_song(), 0.5),
        ("groove-2bar", beat(), 0.95),
        ("general", melody(), 0.97),
        ("general", chorale_song(), 0.95),
        ("general", beat(), 0.95),
    ],
)
def test_shipped_model_reconstructs_plain_music(name: str, song: Song, least: float) -> None:
    """Invented music that is not in the training data; unusual chords are reconstructed less."""
    again = MusicVAE.load(f"pretrained/{name}").reconstruct(song)
    a, b = onsets(song), onsets(again)
    assert 2 * len(a & b) / (len(a) + len(b)) >= least
    assert again.end_ticks == song.end_ticks


def test_groove_keeps_its_accents() -> None:
    again = MusicVAE.load("pretrained/groove-2bar").reconstruct(beat())
    part = again.parts[0]
    on_beat = part.onset_ticks % 480 < 60
    hats = part.pitch == 42
    assert part.velocity[hats & on_beat].mean() > part.velocity[hats & ~on_beat].mean() + 10


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_varied(name: str) -> None:
    songs = MusicVAE.load(f"pretrained/{name}").sample(3, bars=8, seed=11)
    for song in songs:
        pitch = np.concatenate([part.pitch for part in song.parts])
        assert len(pitch) > 16 and len(np.unique(pitch)) > 3
        velocity = np.concatenate([part.velocity for part in song.parts])
        assert velocity.std() > 2 or name == "general"  # which heard scores, mostly of one loudness
    assert len({tuple(sorted(onsets(song))) for song in songs}) == 3
