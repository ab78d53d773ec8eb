"""Files of earlier versions: checkpoints, latents, directions and presets are read as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from musicvae import MusicVAE, Song, latent, read
from musicvae.checkpoints import find, load, shipped_checkpoints
from musicvae.checkpoints.registry import shipped_folder
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.tools.attribute_vector import AttributeVector
from musicvae.tools.steer import steer

FILES = Path(__file__).parents[1] / "fixtures" / "15d93ec"
SHIPPED = (
    "chorale-4bar", "chorale-repair", "general", "groove-2bar", "groove-repair", "melody-16bar",
    "melody-2bar", "melody-repair", "song-4bar",
)  # fmt: skip


@pytest.fixture(autouse=True)
def shipped() -> Path:
    """Use the shipped models."""
    return shipped_folder()


@pytest.fixture(scope="module")
def model() -> MusicVAE:
    return MusicVAE.load(shipped_folder() / "melody-2bar.safetensors")


def notes(song: Song, *, drums: bool) -> set[tuple[int, int, int]]:
    """Return onset and duration in ticks, and pitch, of the notes of drums or of other parts."""
    return {
        row
        for part in song.parts
        if part.is_drum == drums
        for row in zip(
            part.onset_ticks.tolist(),
            part.duration_ticks.tolist(),
            part.pitch.tolist(),
            strict=True,
        )
    }


def f1(a: set[tuple[int, int, int]], b: set[tuple[int, int, int]]) -> float:
    return 2 * len(a & b) / (len(a) + len(b))


# -- checkpoints ----------------------------------------------------------------------------------


def test_shipped_checkpoints_are_complete() -> None:
    assert {path.stem for path in shipped_checkpoints()} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_checkpoint_loads_with_its_preset_prior_and_directions(name: str) -> None:
    """Their headers and tensors carry names of an earlier version."""
    checkpoint, model = load(find(f"pretrained/{name}")), MusicVAE.load(f"pretrained/{name}")
    assert checkpoint.preset.name == name
    weights = checkpoint.tensors_under("model")
    assert weights.keys() == model.vae.state_dict().keys()
    denoises = name.endswith("-repair")
    assert (checkpoint.preset.training.objective == "dae") == denoises
    assert (model.prior is None) == denoises
    prior = checkpoint.tensors_under("prior")
    assert model.prior is None or model.prior.tensors().keys() == prior.keys()
    assert (model.directions is None) == (not checkpoint.tensors_under("directions"))
    assert ("norms" in checkpoint.provenance) == denoises


MIXED = ("pitch_substitution", "deletion", "insertion", "onset_jitter")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("melody-repair", (*MIXED, "transcription", "part_mask")),
        ("chorale-repair", (*MIXED, "transcription", "part_mask")),
        ("groove-repair", (*MIXED, "part_mask", "humanize", "tapify")),
    ],
)
def test_corruption_kinds_of_shipped_models_keep_their_order(
    name: str, kinds: tuple[str, ...]
) -> None:
    """The order decides which weights condition on which kind."""
    assert load(find(f"pretrained/{name}")).preset.training.condition_kinds == kinds


# -- latents --------------------------------------------------------------------------------------


def test_latents_in_float32_are_those_that_the_model_encodes(model: MusicVAE) -> None:
    file = latent.load(FILES / "exact.z")
    assert file.checkpoint == "melody-2bar" and file.hash == model.hash
    encoding = model.encode(read(FILES / "song.mid"))
    np.testing.assert_allclose(file.encoding.mu, encoding.mu, atol=1e-3)
    np.testing.assert_allclose(file.encoding.sigma, encoding.sigma, atol=1e-3)


def test_rounded_latents_are_within_half_a_step() -> None:
    exact, rounded = (latent.load(FILES / f"{n}.z").encoding for n in ("exact", "rounded"))
    octave = np.log2(rounded.sigma / exact.sigma)
    assert np.abs(octave).max() <= 0.5 + 1e-6
    assert (np.abs(rounded.mu - exact.mu) <= 0.5 * rounded.sigma + 1e-6).all()


@pytest.mark.parametrize("name", ["exact", "rounded"])
def test_latents_decode_to_the_song_of_the_earlier_version(name: str, tmp_path: Path) -> None:
    words = ["decode", str(FILES / f"{name}.z"), "--out", str(tmp_path / "song.mid")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    now, before = read(tmp_path / "song.mid"), read(FILES / f"{name}.mid")
    # What bypasses the model is exact; decoded notes may differ in the last digit of a logit.
    assert notes(now, drums=True) == notes(before, drums=True)
    assert f1(notes(now, drums=False), notes(before, drums=False)) > 0.97
    assert now.end_ticks == before.end_ticks and now.tempo == before.tempo
    assert [part.name for part in now.parts] == [part.name for part in before.parts]


# -- directions -----------------------------------------------------------------------------------


def test_direction_steers_as_before(model: MusicVAE) -> None:
    vector = AttributeVector.load(FILES / "major.safetensors")
    assert vector.name == "major" and vector.n_songs == 6
    assert vector.check_model(model) is vector  # the hash of the weights is the same
    assert float(vector.weights @ vector.vector) > 0
    song = read(FILES / "song.mid")
    steered = steer(model, song, {}, directions=[(vector, 2.0)])
    before = read(FILES / "steered.mid")
    assert notes(steered, drums=True) == notes(before, drums=True)
    assert f1(notes(steered, drums=False), notes(before, drums=False)) > 0.9


# -- presets --------------------------------------------------------------------------------------


def test_preset_file_with_former_keys_and_corruption_kinds() -> None:
    preset = load_preset(FILES / "old.toml")
    assert preset.model.encode_offsets and preset.model.context_free_weight == 0.25
    training = preset.training
    assert training.decoder_input_dropout == 0.1
    assert training.replay_share == 0.3 and training.ema_decay == 0.99
    assert training.condition_kinds == (
        "pitch_substitution", "deletion", "insertion", "onset_jitter", "truncation", "bar_mask",
        "part_mask",
    )  # fmt: skip
    drums = load_preset(FILES / "old-drums.toml").training
    assert drums.drum_mix_share == 0.4 and drums.condition_kinds == ("humanize", "tapify")
