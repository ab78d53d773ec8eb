"""The VAE: invariances that hold for any weights, and overfitting of a few windows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from musicvae.config.preset import Preset, preset_from_dict
from musicvae.data import Batch
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.layers import NoteIndex, QuarterPacking
from musicvae.networks.losses import (
    BetaController,
    active_units,
    compute_loss_terms,
    deterministic_noise,
)
from musicvae.networks.vae import VAE, keep_bars, to_note_rows, with_notes, without_notes
from musicvae.song import Song
from support.networks import make_batch, tiny_preset
from support.songs import band_song, chorale_song, part_from_notes

VARIANTS = [
    ("cells", "bar"),
    ("cells", "quarter"),
    ("list", "bar"),
    ("list", "quarter"),
    ("roll", "bar"),
    ("roll", "quarter"),
    ("flat", "bar"),
    ("flat", "window"),
    ("cells", "window", "model.encoder=recurrent"),
    ("list", "bar", "model.encoder=recurrent", "model.kernel=1"),
]


@pytest.fixture(params=VARIANTS, ids="-".join)
def vae(request) -> VAE:
    torch.manual_seed(0)
    model = VAE(tiny_preset(*request.param)).eval()
    if hasattr(model.decoder, "correct"):  # corrections begin at zero
        torch.nn.init.normal_(model.decoder.correct.weight, std=0.3)
    if model.preset.model.decoder == "roll":  # an untrained roll is silent
        torch.nn.init.normal_(model.decoder.out.weight, std=0.3)
        torch.nn.init.zeros_(model.decoder.out.bias)
    return model


def masked_dimensions(vae: VAE, batch: Batch) -> torch.Tensor:
    """Return which latent dimensions belong to bars past the song's end. `(B, Z)`"""
    if vae.encoder.n_slices == 1:
        return torch.zeros(len(batch.steps), vae.Z, dtype=torch.bool)
    return (batch.steps == 0).repeat_interleave(vae.Z // batch.steps.shape[1], 1)


@pytest.fixture
def batch(vae: VAE) -> Batch:
    return make_batch(
        vae.preset, chorale_song(bars=6), chorale_song(bars=5, meter=(3, 4), pickup=1)
    )


def test_batch_equals_single_windows(vae: VAE, batch: Batch) -> None:
    z = torch.randn(len(batch.notes), vae.Z)
    together, posterior = vae.loss(batch, z).total, vae.encode(batch)
    for i in range(len(batch.notes)):
        one = Batch(*(tensor[i : i + 1] for tensor in batch))
        torch.testing.assert_close(
            vae.loss(one, z[i : i + 1]).total[0], together[i], rtol=1e-4, atol=1e-3
        )
        torch.testing.assert_close(vae.encode(one).mu[0], posterior.mu[i], rtol=1e-4, atol=1e-4)


def test_masked_input_is_never_read(vae: VAE, batch: Batch) -> None:
    """Rows past a window's last note, and latents of bars past the end, have no influence."""
    noisy = batch.notes.clone()
    padding = torch.arange(noisy.shape[1]) >= batch.n_notes[:, None]
    noisy[padding] = torch.tensor([1, 3, 1, 61, 2, 77, 9])
    assert padding.any()
    loud = batch._replace(notes=noisy)
    assert torch.equal(vae.encode(batch).mu, vae.encode(loud).mu)
    z = torch.randn(len(batch.notes), vae.Z)
    assert torch.equal(vae.loss(batch, z).total, vae.loss(loud, z).total)
    masked = masked_dimensions(vae, batch)
    assert (batch.steps == 0).any() and (masked.any() or vae.encoder.n_slices == 1)
    other = torch.where(masked, z + 5.0, z)
    assert torch.equal(vae.decode(z, without_notes(batch)), vae.decode(other, without_notes(batch)))
    assert not torch.equal(
        vae.decode(z, without_notes(batch)), vae.decode(z + 5.0, without_notes(batch))
    )


def test_kl_is_nonnegative_and_zero_for_absent_bars(vae: VAE, batch: Batch) -> None:
    kl = vae.encode(batch).kl()
    assert (kl >= 0).all()
    masked = masked_dimensions(vae, batch)
    assert (kl[masked] == 0).all() and kl[~masked].mean() > 0.01


def test_decoded_notes_lie_in_existing_bars_and_active_parts(vae: VAE, batch: Batch) -> None:
    some = torch.ones_like(batch.present)
    some[:, :, 1] = False  # the alto is silent, the tenor in every second bar
    some[:, 1, 2] = False
    absent = batch._replace(present=batch.present & some)
    rows = vae.decode(torch.randn(len(batch.notes), vae.Z) * 3, without_notes(absent), 1.0, 3)
    window, bar, position, part, pitch, duration = rows.T[:6]
    assert len(rows) and (part != 1).all() and ((part != 2) | (bar != 1)).all()
    assert ((part == 2) & (bar == 0)).any()
    assert (position <= batch.steps[window, bar]).all()
    onset = position > 0
    assert (position[onset] > batch.lead_steps[window, bar][onset]).all()
    assert ((pitch >= 21) & (pitch <= 108) & (duration >= 1)).all()


def overlaps(rows: np.ndarray, batch: Batch, vae: VAE, window: int) -> bool:
    """Return whether a part starts a note in a window while another of its notes sounds."""
    found, layout = rows[rows[:, 0] == window], vae.layout
    step = np.where(found[:, 2] > 0, found[:, 2] - 1, int(batch.lead_steps[window, 0]))
    offsets = layout.cell_offsets(batch)[window].numpy()
    start = offsets[found[:, 1] * layout.max_bar_steps + step]
    part, stop = found[:, 3], start + found[:, 5]
    return any(
        part[i] == part[j] and start[i] <= start[j] < stop[i]
        for i in range(len(found))
        for j in range(len(found))
        if i != j
    )


def test_note_decoding_agrees_with_teacher_forcing(batch: Batch) -> None:
    """What the note decoder emits note by note is what it predicts given these notes.

    Windows in which a voice overlaps itself are left out: that does not occur in training data.
    """
    checked = 0
    for seed in range(3):
        torch.manual_seed(seed)
        vae = VAE(tiny_preset("list")).eval()
        decoder = vae.decoder
        torch.nn.init.normal_(decoder.correct.weight, std=0.3)
        decoder.duration.bias.data[2:6] = 3.0  # notes that sound over the next quarters
        decoder.onset.bias.data.fill_(-4.0)
        z = torch.randn(len(batch.notes), vae.Z)
        rows = vae.decode(z, without_notes(batch))
        given = with_notes(without_notes(batch), rows)
        notes = NoteIndex.from_batch(given, vae.layout)
        packing = QuarterPacking.from_batch(given, vae.layout)
        with torch.no_grad():
            x = decoder.hidden_states(vae.latent_slices(z), given, packing)
            onset, feature = decoder.cell_features(x, given, packing)
            change = decoder._context_corrections(x, given, notes, packing)
            change = torch.nn.functional.pad(change, (0, 0, 0, 0, 1, 0))
            again = decoder._chosen_rows(
                *decoder.sample_cells(
                    onset + change[..., -1],
                    feature + change[..., :-1],
                    slice(None),
                    0.0,
                    torch.Generator(),
                ),
                feature,
                packing,
            )
        for window in range(len(z)):
            if not overlaps(rows.numpy(), given, vae, window):
                checked += 1
                assert torch.equal(rows[rows[:, 0] == window], again[again[:, 0] == window])
    assert checked > 5


def overfit(
    preset: Preset, batch: Batch, max_steps: int, is_learned: Callable[[np.ndarray], bool]
) -> np.ndarray:
    """Return notes that a new model decodes after training on one batch until it has learned it."""
    torch.manual_seed(0)
    vae = VAE(preset)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    rows = np.empty(0)
    for step in range(max_steps):
        noise = deterministic_noise(0, step, (len(batch.notes), vae.Z))
        compute_loss_terms(vae.train(), batch, noise)[0].loss(0.001, 0.5).backward()
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 50 == 0:
            rows = vae.eval().decode(vae.encode(batch).mu, without_notes(batch)).numpy()
            if is_learned(rows):
                break
    return rows


@pytest.mark.parametrize(
    "variant",
    [
        ("cells",),
        ("list", "bar", "training.decoder_input_dropout=0.2"),
        ("roll",),
        ("flat", "window", "model.latent=32", "training.scheduled_sampling=0.2"),
        ("cells", "quarter", "model.encoder=recurrent"),
        ("cells", "window", "model.latent=32"),
    ],
    ids=" ".join,
)
def test_model_overfits_a_few_windows(variant: tuple[str, ...]) -> None:
    """Encode, sample, compute the loss, step; free-running decoding then returns the notes."""
    preset = tiny_preset(*variant)
    batch = make_batch(preset, chorale_song(bars=6))
    actual = to_note_rows(batch)
    rows = overfit(preset, batch, 150, lambda rows: note_f1(rows, actual).f1 > 0.9)
    assert note_f1(rows, actual).f1 > 0.9


def test_key_normalization_removes_transposition() -> None:
    preset = tiny_preset()
    plain, higher = chorale_song(bars=4), chorale_song(bars=4, transpose=3)
    one, other = make_batch(preset, plain), make_batch(preset, higher)
    assert torch.equal(one.notes, other.notes)
    assert torch.equal(other.key - one.key, torch.full_like(one.key, 3))


def test_beta_controller_reaches_its_target() -> None:
    control = BetaController(target_bits=100.0)
    for _ in range(3000):  # a KL that falls with beta
        control.update(60.0 / control.beta**0.5)
    assert abs(60.0 / control.beta**0.5 - 100.0) < 3


def test_active_units() -> None:
    mu = torch.zeros(50, 4)
    mu[:, 1] = torch.linspace(-1, 1, 50)
    assert active_units(mu) == 1 and active_units(mu[:1]) == 0


def test_any_instrumentation_becomes_batches() -> None:
    preset = tiny_preset()
    batch = make_batch(preset, band_song())
    assert batch.present.any((1, 2)).all() and (batch.n_notes > 0).all()


@pytest.mark.parametrize("decoder", ["cells", "list", "roll", "flat"])
def test_model_overfits_chords_and_drums(decoder: str) -> None:
    """Slots of every kind in one model: voices, chords of many notes in a cell, a drum kit."""
    data = tiny_preset(decoder).to_dict()
    data["parts"] = [
        {"name": "lead", "kind": "voice", "center": 72.0},
        {"name": "piano", "kind": "chords"},
        {"name": "bass", "kind": "voice", "center": 40.0},
        {"name": "kit", "kind": "drums", "low": 21, "high": 108},
    ]
    preset = preset_from_dict(data, "test")
    band = band_song()
    band = replace(band, parts=tuple(part for part in band.parts if part.name != "Pad"))
    batch = make_batch(preset, band)
    assert batch.notes[..., 2].max() == 3  # the drums are included
    actual = to_note_rows(batch)
    rows = overfit(preset, batch, 250, lambda rows: note_f1(rows, actual).f1 > 0.9)
    assert note_f1(rows, actual).f1 > 0.9
    at_once = {(w, b, p) for w, b, p, part, *_ in rows.tolist() if part == 1}
    assert sum(part == 1 for _, _, _, part, *_ in rows.tolist()) > len(at_once)  # real chords


@pytest.mark.parametrize(
    "variant",
    [
        ("cells",),
        ("list",),
        ("flat", "bar", "model.hidden=64"),
        ("cells", "bar", "model.encoder=recurrent"),
    ],
    ids=" ".join,
)
def test_model_overfits_velocity_and_microtiming(variant: tuple[str, ...]) -> None:
    """A dragging drum pattern with accents: expression is reconstructed, not only the grid."""
    data = tiny_preset(*variant).to_dict()
    data["parts"] = [{"name": "kit", "kind": "drums", "low": 21, "high": 108}]
    data["model"] |= {"velocity": True, "microtiming": True}
    preset = preset_from_dict(data, "test")
    hits = [(q * 120, 120, (36, 38, 42)[q % 3], 40 + 10 * (q % 7)) for q in range(64)]
    kit = part_from_notes(hits, is_drum=True)
    late = 7 * (np.arange(len(kit)) % 5)
    song = Song.new([replace(kit, onset_ticks=kit.onset_ticks + late)], end_ticks=64 * 120)
    batch = make_batch(preset, song)
    actual = to_note_rows(batch)
    key = {tuple(row[:5]): row[6:] for row in actual.tolist()}
    spread = np.array(list(key.values())).std(0)
    assert spread.min() > 10

    def is_learned(rows: np.ndarray) -> bool:
        both = [(row[6:], key[tuple(row[:5])]) for row in rows.tolist() if tuple(row[:5]) in key]
        if note_f1(rows, actual).f1 <= 0.95 or not both:
            return False
        wrong = np.abs(np.array([np.subtract(*pair) for pair in both])).mean(0)
        return bool((wrong < 0.35 * spread).all())

    assert is_learned(overfit(preset, batch, 450, is_learned))


def test_models_without_expression_ignore_it(vae: VAE, batch: Batch) -> None:
    rows = vae.decode(torch.randn(len(batch.notes), vae.Z), without_notes(batch))
    assert rows.shape[1] == 8 and not rows[:, 6:].any()
    other = batch._replace(notes=batch.notes.clone())
    other.notes[..., 5:] += 3
    assert torch.equal(vae.encode(batch).mu, vae.encode(other).mu)


def test_keep_bars_removes_the_notes_of_other_bars() -> None:
    batch = make_batch(tiny_preset(), chorale_song(bars=8), chorale_song(bars=4, seed=1))
    keep = torch.ones_like(batch.steps, dtype=torch.bool)
    keep[:3, 1] = False
    result = keep_bars(batch, keep)
    before, after = to_note_rows(batch), to_note_rows(result)
    removed = (before[:, 0] < 3) & (before[:, 1] == 1)
    assert removed.sum() > 0 and np.array_equal(after, before[~removed])
    assert not result.present[:3, 1].any() and torch.equal(result.present[3:], batch.present[3:])
