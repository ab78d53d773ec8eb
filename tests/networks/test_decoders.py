"""Options of decoders, of beta and of training: what each changes, and what it must not."""

import math

import pytest
import torch

from musicvae.config.preset import load_preset
from musicvae.data import Batch
from musicvae.errors import ConfigError
from musicvae.networks.layers import NoteIndex, QuarterPacking
from musicvae.networks.losses import (
    NATS_PER_BIT,
    BetaController,
    BetaWarmup,
    LossTerms,
    compute_loss_terms,
    make_beta_controller,
)
from musicvae.networks.vae import VAE, with_notes, without_notes
from musicvae.training import train
from support.networks import make_batch, tiny_preset
from support.songs import chorale_song, corpus_folder


def step_decoder(*settings: str, seed: int = 0) -> tuple[VAE, Batch, torch.Tensor]:
    """Return a model with a step decoder that emits many notes, some windows, and latents."""
    torch.manual_seed(seed)
    vae = VAE(tiny_preset("flat", "bar", *settings)).eval()
    torch.nn.init.normal_(vae.decoder.tell.weight, std=0.5)
    songs = chorale_song(bars=4), chorale_song(bars=5, meter=(3, 4), pickup=1)
    batch = make_batch(vae.preset, *songs)
    return vae, batch, torch.randn(len(batch.notes), vae.Z)


def test_step_decoder_is_causal() -> None:
    """Changing notes from a row on changes no output before it, nor earlier parts of its row."""
    vae, batch, z = step_decoder()
    decoder, slices = vae.decoder, vae.latent_slices(z)
    packing = QuarterPacking.from_batch(batch, vae.layout)
    notes = NoteIndex.from_batch(batch, vae.layout)
    with torch.no_grad():
        emitted = decoder._note_embeddings(notes, decoder.note_cells(notes, packing), packing)
        onset, feature = decoder._cell_outputs(slices, batch, emitted, packing)
        row, part = 9, 2
        other = emitted.clone()
        other[:, row, part:] += 1.0
        other[:, row + 1 :] += 1.0
        other_onset, other_feature = decoder._cell_outputs(slices, batch, other, packing)
    assert torch.equal(onset[:, :row], other_onset[:, :row])
    assert torch.equal(feature[:, row, : part + 1], other_feature[:, row, : part + 1])
    assert not torch.equal(feature[:, row, part + 1], other_feature[:, row, part + 1])
    assert not torch.equal(feature[:, row + 1], other_feature[:, row + 1])


def test_step_decoding_agrees_with_teacher_forcing() -> None:
    vae, batch, z = step_decoder()
    rows = vae.decode(z, without_notes(batch))
    assert len(rows) > 50
    again = vae.decoder.decode_teacher_forced(
        vae.latent_slices(z), with_notes(without_notes(batch), rows)
    )
    assert torch.equal(rows, again)


@pytest.mark.parametrize(
    ("decoder", "setting"),
    [
        ("flat", "training.scheduled_sampling=0.5"),
        ("flat", "training.decoder_input_dropout=0.5"),
        ("list", "training.decoder_input_dropout=0.5"),
    ],
)
def test_input_dropout_and_scheduled_sampling_apply_in_training_only(
    decoder: str, setting: str
) -> None:
    def losses(*settings: str) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(1)
        vae = VAE(tiny_preset(decoder, "bar", *settings))
        if decoder == "list":
            torch.nn.init.normal_(vae.decoder.correct.weight, std=0.3)
        batch = make_batch(vae.preset, chorale_song(bars=4))
        z = torch.randn(len(batch.notes), vae.Z)
        return vae.loss(batch, z).total, vae.eval().loss(batch, z).total

    plain, changed = losses(), losses(setting)
    torch.testing.assert_close(plain[0], plain[1])
    torch.testing.assert_close(changed[1], plain[1])
    assert not torch.allclose(changed[0], plain[0])


def test_latent_size_is_slices_times_slice_size() -> None:
    for slices, n in (("window", 1), ("bar", 2), ("quarter", 12)):
        assert 16 * n == VAE(tiny_preset("cells", slices)).Z


def test_beta_warmup_is_linear_and_ends_at_its_value() -> None:
    training = load_preset("tiny").with_settings(
        ["training.kl_control=beta", "training.beta=0.4", "training.beta_warmup_steps=4"]
    )
    control = make_beta_controller(training.training)
    assert isinstance(control, BetaWarmup)
    seen = []
    for bits in (50.0, 10.0, 90.0, 1.0, 30.0):
        seen.append(control.beta)
        control.update(bits)
    torch.testing.assert_close(torch.tensor(seen), torch.tensor([0.1, 0.2, 0.3, 0.4, 0.4]))
    assert 1 < control.mean_bits < 90
    assert isinstance(make_beta_controller(load_preset("tiny").training), BetaController)
    assert BetaWarmup(0.7).beta == 0.7


def test_free_bits_are_subtracted_from_the_kl() -> None:
    preset = tiny_preset()
    batch = make_batch(preset, chorale_song(bars=4))
    vae = VAE(preset)
    terms, _ = compute_loss_terms(vae, batch, torch.zeros(len(batch.notes), vae.Z))
    kl = torch.tensor([10.0, 30.0]) * NATS_PER_BIT
    two = LossTerms(type(terms.notes)(*(torch.zeros(2) for _ in terms.notes)), kl)
    assert math.isclose(float(two.loss(0.5, 0.0, 20.0)), 0.5 * 5 * NATS_PER_BIT, rel_tol=1e-5)
    assert math.isclose(float(two.loss(0.5)), 0.5 * 20 * NATS_PER_BIT, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.beta=0.2"], r"beta must be 1 while beta is controlled .*kl_control=beta"),
        (["training.beta_warmup_steps=9"], r"beta_warmup_steps must be 0 while .*kl_control=beta"),
        (["training.free_bits=9"], r"free_bits must be 0 with training.kl_control=target"),
        (
            ["training.free_bits=9", "training.kl_control=beta"],
            r"free_bits must be 0 with training.kl_control=beta",
        ),
        (["training.kl_control=free_bits"], r"free_bits must be more than 0"),
        (["training.kl_control=both"], r"kl_control must be one of target, beta, free_bits"),
        (["training.decoder_input_dropout=0.1"], r"is not autoregressive; use list or flat"),
        (
            ["training.scheduled_sampling=0.1", "model.decoder=list"],
            r"scheduled_sampling must be 0 with model.decoder=list",
        ),
        (["model.encoder=linar"], r"model.encoder must be one of linear, recurrent"),
    ],
)
def test_incompatible_options_raise(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset("tiny").with_settings(settings)


@pytest.mark.parametrize(
    "settings",
    [
        ["model.decoder=flat", "training.scheduled_sampling=0.3", "training.kl_control=beta"],
        ["model.encoder=recurrent", "training.kl_control=free_bits", "training.free_bits=20"],
        ["model.slices=window"],
    ],
    ids=" ".join,
)
def test_options_train_end_to_end(settings: list[str], tmp_path) -> None:
    folder = corpus_folder(tmp_path / "midi", n=6, bars=5)
    rows: list[dict[str, float]] = []
    preset = load_preset("tiny").with_settings(settings)
    train(folder, preset, tmp_path / "run", steps=40, on_validation=rows.append)
    assert rows[-1]["train_loss"] < rows[1]["train_loss"] and rows[-1]["valid_kl_bits"] > 0
