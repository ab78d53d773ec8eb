"""The networks: invariances that must hold whatever the weights are."""

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
from musicvae.networks.vae import VAE, to_note_rows, with_notes, without_notes
from musicvae.song import Song
from support.networks import batch_of, tiny
from support.songs import band_song, chorale_song, part_of

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
    model = VAE(tiny(*request.param)).eval()
    if hasattr(model.decoder, "correct"):  # corrections begin at zero; here they must count
        torch.nn.init.normal_(model.decoder.correct.weight, std=0.3)
    if model.preset.model.decoder == "roll":  # a new roll is silent; here it must have notes
        torch.nn.init.normal_(model.decoder.out.weight, std=0.3)
        torch.nn.init.zeros_(model.decoder.out.bias)
    return model


def closed_dimensions(vae: VAE, batch: Batch) -> torch.Tensor:
    """Dimensions of the latent that belong to bars which are not there. `(B, Z)`"""
    if vae.encoder.slices == 1:
        return torch.zeros(len(batch.steps), vae.Z, dtype=torch.bool)
    return (batch.steps == 0).repeat_interleave(vae.Z // batch.steps.shape[1], 1)


@pytest.fixture
def batch(vae: VAE) -> Batch:
    return batch_of(vae.preset, chorale_song(bars=6), chorale_song(bars=5, meter=(3, 4), pickup=1))


def test_a_batch_equals_its_windows_one_by_one(vae: VAE, batch: Batch) -> None:
    z = torch.randn(len(batch.notes), vae.Z)
    together, posterior = vae.loss(batch, z).total, vae.encode(batch)
    for i in range(len(batch.notes)):
        one = Batch(*(tensor[i : i + 1] for tensor in batch))
        torch.testing.assert_close(
            vae.loss(one, z[i : i + 1]).total[0], together[i], rtol=1e-4, atol=1e-3
        )
        torch.testing.assert_close(vae.encode(one).mu[0], posterior.mu[i], rtol=1e-4, atol=1e-4)


def test_noise_in_masked_cells_changes_nothing(vae: VAE, batch: Batch) -> None:
    """Rows past a window's last note, and latents of bars that are not there, are never read."""
    noisy = batch.notes.clone()
    padding = torch.arange(noisy.shape[1]) >= batch.n_notes[:, None]
    noisy[padding] = torch.tensor([1, 3, 1, 61, 2, 77, 9])
    assert padding.any()
    loud = batch._replace(notes=noisy)
    assert torch.equal(vae.encode(batch).mu, vae.encode(loud).mu)
    z = torch.randn(len(batch.notes), vae.Z)
    assert torch.equal(vae.loss(batch, z).total, vae.loss(loud, z).total)
    closed = closed_dimensions(vae, batch)
    assert (batch.steps == 0).any() and (closed.any() or vae.encoder.slices == 1)
    other = torch.where(closed, z + 5.0, z)
    assert torch.equal(vae.decode(z, without_notes(batch)), vae.decode(other, without_notes(batch)))
    assert not torch.equal(vae.decode(z, without_notes(batch)), vae.decode(z + 5.0, without_notes(batch)))


def test_absent_bars_cost_nothing_and_kl_is_never_negative(vae: VAE, batch: Batch) -> None:
    kl = vae.encode(batch).kl()
    assert (kl >= 0).all()
    closed = closed_dimensions(vae, batch)
    assert (kl[closed] == 0).all() and kl[~closed].mean() > 0.01


def test_decoded_notes_lie_within_the_bars_and_parts_that_exist(vae: VAE, batch: Batch) -> None:
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
    assert (position[onset] > batch.lead[window, bar][onset]).all()
    assert ((pitch >= 21) & (pitch <= 108) & (duration >= 1)).all()


def overlaps(rows: np.ndarray, batch: Batch, vae: VAE, window: int) -> bool:
    """Whether a part starts a note in a window while another of its notes still sounds."""
    mine, lay = rows[rows[:, 0] == window], vae.layout
    step = np.where(mine[:, 2] > 0, mine[:, 2] - 1, int(batch.lead[window, 0]))
    start = lay.line(batch)[window].numpy()[mine[:, 1] * lay.max_steps + step]
    line, stop = mine[:, 3], start + mine[:, 5]
    return any(
        line[i] == line[j] and start[i] <= start[j] < stop[i]
        for i in range(len(mine))
        for j in range(len(mine))
        if i != j
    )


def test_decoding_is_what_teacher_forcing_would_choose(batch: Batch) -> None:
    """What the list decoder emits note by note is what it would choose with its notes given.

    Windows in which a voice overlaps itself are left out: such notes do not occur in training.
    """
    checked = 0
    for seed in range(3):
        torch.manual_seed(seed)
        vae = VAE(tiny("list")).eval()
        decoder = vae.decoder
        torch.nn.init.normal_(decoder.correct.weight, std=0.3)
        decoder.duration.bias.data[2:6] = 3.0  # notes that sound over the next quarters
        decoder.onset.bias.data.fill_(-4.0)
        z = torch.randn(len(batch.notes), vae.Z)
        rows = vae.decode(z, without_notes(batch))
        given = with_notes(without_notes(batch), rows)
        at, packing = NoteIndex.of(given, vae.layout), QuarterPacking.of(given, vae.layout)
        with torch.no_grad():
            x = decoder.states(vae.latent_slices(z), given, packing)
            onset, feature = decoder.features(x, given, packing)
            change = decoder._corrections(x, given, at, packing)
            change = torch.nn.functional.pad(change, (0, 0, 0, 0, 1, 0))
            again = decoder._rows(
                *decoder.choose(
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


def by_heart(preset: Preset, batch: Batch, steps: int) -> np.ndarray:
    """Notes that a new model decodes, free-running, after learning one batch for `steps` steps."""
    torch.manual_seed(0)
    vae = VAE(preset)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for step in range(steps):
        noise = deterministic_noise(0, step, (len(batch.notes), vae.Z))
        compute_loss_terms(vae, batch, noise)[0].loss(0.001, 0.5).backward()
        optimizer.step()
        optimizer.zero_grad()
    return vae.eval().decode(vae.encode(batch).mu, without_notes(batch)).numpy()


@pytest.mark.parametrize(
    "variant",
    [
        ("cells",),
        ("list", "bar", "training.hearing_dropout=0.2"),
        ("roll",),
        ("flat", "window", "model.latent=32", "training.scheduled_sampling=0.2"),
        ("cells", "quarter", "model.encoder=recurrent"),
        ("cells", "window", "model.latent=32"),
    ],
    ids=" ".join,
)
def test_a_model_learns_a_handful_of_windows_by_heart(variant: tuple[str, ...]) -> None:
    """The whole way: encode, draw, weigh, step. Free-running decoding then gives the notes back."""
    preset = tiny(*variant)
    batch = batch_of(preset, chorale_song(bars=6))
    assert note_f1(by_heart(preset, batch, 150), to_note_rows(batch)).f1 > 0.9


def test_transposed_music_in_its_own_key_is_the_same_music() -> None:
    preset = tiny()
    plain, higher = chorale_song(bars=4), chorale_song(bars=4, transpose=3)
    one, other = batch_of(preset, plain), batch_of(preset, higher)
    assert torch.equal(one.notes, other.notes)
    assert torch.equal(other.key - one.key, torch.full_like(one.key, 3))


def test_beta_is_steered_to_the_target() -> None:
    control = BetaController(target_bits=100.0)
    for _ in range(3000):  # a KL that answers to beta as a real one does
        control.update(60.0 / control.beta**0.5)
    assert abs(60.0 / control.beta**0.5 - 100.0) < 3


def test_active_units_counts_dimensions_that_vary() -> None:
    mu = torch.zeros(50, 4)
    mu[:, 1] = torch.linspace(-1, 1, 50)
    assert active_units(mu) == 1 and active_units(mu[:1]) == 0


def test_songs_of_any_instrumentation_become_batches() -> None:
    preset = tiny()
    batch = batch_of(preset, band_song())
    assert batch.present.any((1, 2)).all() and (batch.n_notes > 0).all()


@pytest.mark.parametrize("decoder", ["cells", "list", "roll", "flat"])
def test_chords_and_drums_are_learned_by_heart_too(decoder: str) -> None:
    """Slots of every kind in one model: a voice, chords of many notes in a cell, a drum kit."""
    data = tiny(decoder).to_dict()
    data["parts"] = [
        {"name": "lead", "kind": "voice", "center": 72.0},
        {"name": "piano", "kind": "chords"},
        {"name": "bass", "kind": "voice", "center": 40.0},
        {"name": "kit", "kind": "drums", "low": 21, "high": 108},
    ]
    preset = preset_from_dict(data, "test")
    band = band_song()
    band = replace(band, parts=tuple(part for part in band.parts if part.name != "Pad"))
    batch = batch_of(preset, band)
    assert batch.notes[..., 2].max() == 3  # the drums came along
    rows = by_heart(preset, batch, 250)
    assert note_f1(rows, to_note_rows(batch)).f1 > 0.9
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
def test_velocity_and_microtiming_are_learned_by_heart(variant: tuple[str, ...]) -> None:
    """A drum pattern with accents that drags: what was played comes back, not the grid alone."""
    data = tiny(*variant).to_dict()
    data["parts"] = [{"name": "kit", "kind": "drums", "low": 21, "high": 108}]
    data["model"] |= {"velocity": True, "microtiming": True}
    preset = preset_from_dict(data, "test")
    hits = [(q * 120, 120, (36, 38, 42)[q % 3], 40 + 10 * (q % 7)) for q in range(64)]
    kit = part_of(hits, is_drum=True)
    late = 7 * (np.arange(len(kit)) % 5)
    song = Song.new([replace(kit, onset_ticks=kit.onset_ticks + late)], end_ticks=64 * 120)
    batch = batch_of(preset, song)
    rows, actual = by_heart(preset, batch, 450), to_note_rows(batch)
    assert note_f1(rows, actual).f1 > 0.95
    key = {tuple(row[:5]): row[6:] for row in actual.tolist()}
    both = [(row[6:], key[tuple(row[:5])]) for row in rows.tolist() if tuple(row[:5]) in key]
    wrong = np.abs(np.array([np.subtract(*pair) for pair in both])).mean(0)
    spread = np.array(list(key.values())).std(0)
    assert (wrong < 0.35 * spread).all() and spread.min() > 10


def test_models_without_velocity_say_nothing_of_it(vae: VAE, batch: Batch) -> None:
    rows = vae.decode(torch.randn(len(batch.notes), vae.Z), without_notes(batch))
    assert rows.shape[1] == 8 and not rows[:, 6:].any()
    other = batch._replace(notes=batch.notes.clone())
    other.notes[..., 5:] += 3
    assert torch.equal(vae.encode(batch).mu, vae.encode(other).mu)
