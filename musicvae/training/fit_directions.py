"""Fit of attribute directions in latent space, on the encodings of a frozen model, in seconds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from musicvae.arrays import Floats
from musicvae.attributes import ATTRIBUTES, unavailable_attributes, window_attributes
from musicvae.config.preset import Preset
from musicvae.data import Batch, WindowDataset
from musicvae.latent.directions import Directions
from musicvae.networks.vae import VAE, to_note_rows, to_note_table, with_notes
from musicvae.representation.note_table import BAR, PART, PITCH, POSITION, WINDOW
from musicvae.representation.windows import CARRY
from musicvae.training.augmentation import corrupt_batch

BATCH_SIZE, MAX_WINDOWS = 256, 6144
HIDDEN_SIZE, MAX_STEPS, LEARNING_RATE, WEIGHT_DECAY = 128, 800, 4e-3, 0.05
RIDGE = 0.03  # relative to the mean variance of a dimension
MAX_TRANSPOSITION = 7  # semitones
EDIT_KINDS = (
    "deletion", "onset_jitter", "repeat", "insertion", "pitch_substitution", "onset_jitter",
    "truncation", "none", "repeat",
)  # fmt: skip
MAX_EDIT_SHARE = 0.4  # share of notes that are edited
MAX_Z_SCORE = 4.0  # larger standardized attribute values are clipped


class DirectionExamples(NamedTuple):
    """Encodings of windows with their attributes: unedited windows first, then edited ones."""

    mu: Floats  # (n, Z)
    sigma: Floats  # (n, Z)
    values: Floats  # (n, A) all attributes, NaN where undefined
    n_unedited: int


@torch.no_grad()
def encode_examples(
    vae: VAE, windows: WindowDataset, *, limit: int = MAX_WINDOWS
) -> DirectionExamples:
    """Encode up to `limit` windows, each unedited and edited.

    Edits transpose, or move, delete, insert or truncate notes, or repeat bars. In music attributes
    are correlated, such as many notes with short notes; edits decorrelate them.
    """
    device, preset = next(vae.parameters()).device, windows.preset
    rng = np.random.default_rng(preset.training.seed)
    chosen = np.linspace(0, len(windows) - 1, min(len(windows), limit)).astype(np.int64)
    columns: tuple[list[Floats], ...] = ([], [], [])

    def encode(batch: Batch) -> None:
        posterior = vae.encode(Batch(*(tensor.to(device) for tensor in batch)))
        table = to_note_table(batch, preset)
        columns[0].append(posterior.mu.double().cpu().numpy())
        columns[1].append(posterior.sigma.double().cpu().numpy())
        columns[2].append(window_attributes(table, preset.meters))

    for begin in range(0, len(chosen), BATCH_SIZE):
        encode(windows.batch(chosen[begin : begin + BATCH_SIZE]))
    for nth, begin in enumerate(range(0, len(chosen), BATCH_SIZE)):
        index = chosen[begin : begin + BATCH_SIZE]
        shift = rng.integers(-MAX_TRANSPOSITION, MAX_TRANSPOSITION + 1, len(index))
        shift = shift * (rng.random(len(index)) < 0.5)
        kind, amount = EDIT_KINDS[nth % len(EDIT_KINDS)], float(rng.uniform(0.05, MAX_EDIT_SHARE))
        batch = windows.batch(index, -shift)
        if kind == "repeat":
            encode(repeat_bars(batch, rng))
        else:
            encode(corrupt_batch(batch, preset, rng, kind=kind, amount=amount))
    mu, sigma, values = (np.concatenate(pieces) for pieces in columns)
    return DirectionExamples(mu, sigma, values, len(chosen))


def repeat_bars(batch: Batch, rng: np.random.Generator) -> Batch:
    """Return the windows with random bars replaced by a repetition of the bar before."""
    rows, steps = to_note_rows(batch), batch.steps.cpu().numpy()
    is_repeat = rng.random(steps.shape) < 0.5
    is_repeat[:, 0] = False
    is_repeat[:, 1:] &= (steps[:, 1:] == steps[:, :-1]) & ~is_repeat[:, :-1]
    kept = rows[~is_repeat[rows[:, WINDOW], rows[:, BAR]]]
    next_bar = np.minimum(kept[:, BAR] + 1, steps.shape[1] - 1)
    source = kept[is_repeat[kept[:, WINDOW], next_bar] & (next_bar > kept[:, BAR])]
    copies = source[source[:, POSITION] != CARRY]
    copies[:, BAR] += 1
    edited = np.concatenate([kept, copies])
    order = np.lexsort(tuple(edited[:, c] for c in (PITCH, PART, POSITION, BAR, WINDOW)))
    return with_notes(batch, torch.from_numpy(edited[order]))


def fit_directions(
    vae: VAE, windows: WindowDataset, *, steps: int = MAX_STEPS, limit: int = MAX_WINDOWS
) -> Directions | None:
    """Fit directions of all attributes that the preset can have and that vary in these windows.

    A ridge regression gives the linear part, a small network the rest; it is trained for `steps`,
    at most `MAX_STEPS`, on `limit` windows. None if no attribute varies.
    """
    preset = windows.preset
    mu, sigma, values, n = encode_examples(vae, windows, limit=limit)
    missing = missing_attributes(preset)
    names, usable = list(ATTRIBUTES), []
    for nth, name in enumerate(names):
        known = values[:n, nth][np.isfinite(values[:n, nth])]
        if name not in missing and len(known) > 1 and float(np.std(known)) > 1e-6:
            usable.append(nth)
    if not usable:
        return None
    values = values[:, usable]
    mean, std = np.nanmean(values[:n], 0), np.nanstd(values[:n], 0)
    y = np.clip((values - mean) / std, -MAX_Z_SCORE, MAX_Z_SCORE)
    center = mu[:n].mean(0)
    linear = np.stack([_fit_ridge(mu - center, column) for column in y.T])
    residual = y - (mu - center) @ linear.T
    hidden, hidden_bias, output = _fit_hidden_layer(
        mu - center, sigma, residual, linear, min(steps, MAX_STEPS), preset.training.seed
    )
    return Directions(
        names=tuple(names[nth] for nth in usable),
        mean=mean,
        std=std,
        center=center,
        variance=mu[:n].var(0) + (sigma[:n] ** 2).mean(0),
        linear=linear,
        hidden=hidden,
        hidden_bias=hidden_bias,
        output=output,
    )


def missing_attributes(preset: Preset) -> dict[str, str]:
    """Return the attributes that windows of a preset cannot have, with reasons."""
    kinds = tuple(part.kind for part in preset.parts)
    return unavailable_attributes(kinds, bars=preset.grid.bars, velocity=preset.model.velocity)


def _fit_ridge(x: Floats, y: Floats) -> Floats:
    is_known = np.isfinite(y)
    x, y = x[is_known], y[is_known]
    covariance = x.T @ x / len(x)
    penalty = RIDGE * float(np.trace(covariance)) / len(covariance) * np.eye(len(covariance))
    return np.asarray(np.linalg.solve(covariance + penalty, x.T @ y / len(x)))


def _fit_hidden_layer(
    x: Floats, sigma: Floats, residual: Floats, linear: Floats, steps: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Fit one hidden layer to the residual of the linear map: `(H, Z)`, `(H,)`, `(A, H)`.

    Its inputs are samples of the posteriors, so that it holds around each latent.
    """
    n, Z = x.shape
    is_known = torch.from_numpy(np.isfinite(residual))
    mean, std, target = (torch.from_numpy(np.nan_to_num(v)).float() for v in (x, sigma, residual))
    linear_map = torch.from_numpy(linear).float()
    rng = torch.Generator().manual_seed(seed)
    hidden = (torch.randn(HIDDEN_SIZE, Z, generator=rng) / Z**0.5).requires_grad_()
    bias = torch.zeros(HIDDEN_SIZE, requires_grad=True)
    output = torch.zeros(residual.shape[1], HIDDEN_SIZE, requires_grad=True)
    weights = [hidden, bias, output]
    optimizer = torch.optim.AdamW(weights, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, max(steps, 2))
    for _ in range(steps):
        index = torch.randint(0, n, (BATCH_SIZE,), generator=rng)
        amount = torch.rand(BATCH_SIZE, 1, generator=rng)
        noise = std[index] * torch.randn(BATCH_SIZE, Z, generator=rng) * amount
        predicted = torch.tanh((mean[index] + noise) @ hidden.T + bias) @ output.T
        predicted = predicted + noise @ linear_map.T
        error = (predicted - target[index])[is_known[index]]
        optimizer.zero_grad()
        (error**2).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    arrays = [np.asarray(tensor.detach().double().numpy()) for tensor in weights]
    return arrays[0], arrays[1], arrays[2]


def direction_tensors(directions: Directions | None) -> dict[str, Tensor]:
    """Return the tensors of directions by their names in a checkpoint."""
    if directions is None:
        return {}
    named = directions.to_tensors().items()
    return {f"directions.{name}": torch.from_numpy(array) for name, array in named}
