"""Floor 7: directions of attributes, fitted on frozen encodings in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from musicvae.attributes import ATTRIBUTES, lacking, measured
from musicvae.checkpoints import load
from musicvae.checkpoints.checkpoint import load_tensors, save_tensors
from musicvae.checkpoints.compression import halved
from musicvae.config.preset import Preset
from musicvae.data import Batch, WindowDataset
from musicvae.latent.directions import Directions, Floats
from musicvae.networks.vae import VAE, rows_of, table_of_batch, with_notes
from musicvae.representation.note_table import BAR, PART, PITCH, POSITION, WINDOW
from musicvae.representation.windows import CARRY
from musicvae.training.corruption import corrupted

_BATCH, _WINDOWS = 256, 6144
_HIDDEN, _STEPS, _RATE, _DECAY = 128, 800, 4e-3, 0.05
_RIDGE = 0.03
_SHIFT = 7  # semitones, at most, to another key
_EDITS = ("dropped", "jitter", "echo", "added", "wrong", "jitter", "cut", "none", "echo")
_EDITED = 0.4  # share of notes, at most
_FAR = 4.0  # standard deviations: further is no more


class Examples(NamedTuple):
    """Windows to learn from, as they are and then edited."""

    mu: Floats  # (n, Z)
    sigma: Floats  # (n, Z)
    values: Floats  # (n, A) all attributes
    n_plain: int  # windows as they are, which come first


@torch.no_grad()
def examples(vae: VAE, windows: WindowDataset, *, limit: int = _WINDOWS) -> Examples:
    """Up to `limit` windows, each as it is and once edited: in another key, or with notes moved,
    left out, put in or cut.

    In music attributes come together, as many notes and short ones do. Edits part them.
    """
    device, preset = next(vae.parameters()).device, windows.preset
    rng = np.random.default_rng(preset.training.seed)
    chosen = np.linspace(0, len(windows) - 1, min(len(windows), limit)).astype(np.int64)
    found: tuple[list[Floats], ...] = ([], [], [])

    def take(batch: Batch) -> None:
        posterior = vae.encode(Batch(*(tensor.to(device) for tensor in batch)))
        table = table_of_batch(batch, preset)
        found[0].append(posterior.mu.double().cpu().numpy())
        found[1].append(posterior.sigma.double().cpu().numpy())
        found[2].append(measured(table, preset.meters))

    for begin in range(0, len(chosen), _BATCH):
        take(windows.batch(chosen[begin : begin + _BATCH]))
    for nth, begin in enumerate(range(0, len(chosen), _BATCH)):
        which = chosen[begin : begin + _BATCH]
        shift = rng.integers(-_SHIFT, _SHIFT + 1, len(which)) * (rng.random(len(which)) < 0.5)
        kind, amount = _EDITS[nth % len(_EDITS)], float(rng.uniform(0.05, _EDITED))
        batch = windows.batch(which, -shift)
        if kind == "echo":
            take(echoed(batch, rng))
        else:
            take(corrupted(batch, preset, rng, kind=kind, amount=amount))
    mu, sigma, values = (np.concatenate(pieces) for pieces in found)
    return Examples(mu, sigma, values, len(chosen))


def echoed(batch: Batch, rng: np.random.Generator) -> Batch:
    """The same windows in which every other bar, drawn, is the one before it again."""
    rows, steps = rows_of(batch), batch.steps.cpu().numpy()
    again = rng.random(steps.shape) < 0.5
    again[:, 0] = False
    again[:, 1:] &= (steps[:, 1:] == steps[:, :-1]) & ~again[:, :-1]
    kept = rows[~again[rows[:, WINDOW], rows[:, BAR]]]
    following = np.minimum(kept[:, BAR] + 1, steps.shape[1] - 1)
    source = kept[again[kept[:, WINDOW], following] & (following > kept[:, BAR])]
    copy = source[source[:, POSITION] != CARRY]
    copy[:, BAR] += 1
    every = np.concatenate([kept, copy])
    order = np.lexsort(tuple(every[:, c] for c in (PITCH, PART, POSITION, BAR, WINDOW)))
    return with_notes(batch, torch.from_numpy(every[order]))


def fit_directions(vae: VAE, windows: WindowDataset, *, steps: int = _STEPS) -> Directions | None:
    """Directions of all attributes that the preset can have and these windows differ in.

    The network learns for `steps`, but for no more than are of use.
    """
    preset = windows.preset
    mu, sigma, values, n = examples(vae, windows)
    missing = lacking_of(preset)
    names, usable = list(ATTRIBUTES), []
    for nth, name in enumerate(names):
        there = np.isfinite(values[:n, nth])
        if name not in missing and there.sum() > 1 and float(np.std(values[:n][there, nth])) > 1e-6:
            usable.append(nth)
    if not usable:
        return None
    values = values[:, usable]
    mean, std = np.nanmean(values[:n], 0), np.nanstd(values[:n], 0)
    y = np.clip((values - mean) / std, -_FAR, _FAR)
    centre = mu[:n].mean(0)
    linear = np.stack([_ridge(mu - centre, column) for column in y.T])
    rest = y - (mu - centre) @ linear.T
    inner, bias, outer = _hidden(
        mu - centre, sigma, rest, linear, min(steps, _STEPS), preset.training.seed
    )
    return Directions(
        names=tuple(names[nth] for nth in usable),
        mean=mean,
        std=std,
        centre=centre,
        spread=mu[:n].var(0) + (sigma[:n] ** 2).mean(0),
        linear=linear,
        inner=inner,
        bias=bias,
        outer=outer,
    )


def lacking_of(preset: Preset) -> dict[str, str]:
    """The attributes that windows of a preset cannot have, and why."""
    kinds = tuple(part.kind for part in preset.parts)
    return lacking(kinds, bars=preset.grid.bars, velocity=preset.model.velocity)


def _ridge(x: Floats, y: Floats) -> Floats:
    there = np.isfinite(y)
    x, y = x[there], y[there]
    square = x.T @ x / len(x)
    stiff = _RIDGE * float(np.trace(square)) / len(square)
    return np.asarray(np.linalg.solve(square + stiff * np.eye(len(square)), x.T @ y / len(x)))


def _hidden(
    x: Floats, sigma: Floats, rest: Floats, linear: Floats, steps: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """One hidden layer for what the linear map leaves, `(H, Z)`, `(H,)`, `(K, H)`.

    It learns from draws of the posteriors: what holds all around a latent, not at one point.
    """
    n, Z = x.shape
    there = torch.from_numpy(np.isfinite(rest))
    at, wide, target = (torch.from_numpy(np.nan_to_num(v)).float() for v in (x, sigma, rest))
    plain = torch.from_numpy(linear).float()
    draw = torch.Generator().manual_seed(seed)
    inner = (torch.randn(_HIDDEN, Z, generator=draw) / Z**0.5).requires_grad_()
    bias = torch.zeros(_HIDDEN, requires_grad=True)
    outer = torch.zeros(rest.shape[1], _HIDDEN, requires_grad=True)
    weights = [inner, bias, outer]
    optimizer = torch.optim.AdamW(weights, _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, max(steps, 2))
    for _ in range(steps):
        which = torch.randint(0, n, (_BATCH,), generator=draw)
        amount = torch.rand(_BATCH, 1, generator=draw)
        noise = wide[which] * torch.randn(_BATCH, Z, generator=draw) * amount
        told = torch.tanh((at[which] + noise) @ inner.T + bias) @ outer.T + noise @ plain.T
        off = (told - target[which])[there[which]]
        optimizer.zero_grad()
        (off**2).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    found = [np.asarray(tensor.detach().double().numpy()) for tensor in weights]
    return found[0], found[1], found[2]


def direction_tensors(directions: Directions | None) -> dict[str, Tensor]:
    """The tensors of directions as a checkpoint names them."""
    if directions is None:
        return {}
    named = directions.tensors().items()
    return {f"directions.{name}": torch.from_numpy(array) for name, array in named}


def replace_directions(
    checkpoint: str | Path, folder: str | Path, *, out: str | Path | None = None
) -> Path:
    """Fit directions anew for a checkpoint on the training songs of `folder`; the rest stays.

    Writes `out`, or the checkpoint itself.
    """
    tensors, header = load_tensors(checkpoint)  # as they are stored, however they are packed
    found = load(checkpoint)
    vae = VAE(found.preset)
    vae.load_state_dict(found.under("model"))
    windows = WindowDataset(folder, found.preset, split="train", seed=found.preset.training.seed)
    directions = fit_directions(vae.eval(), windows)
    kept = {n: t for n, t in tensors.items() if not n.startswith("directions.")}
    kept |= {name: halved(t) for name, t in direction_tensors(directions).items()}
    header["provenance"] = {n: v for n, v in found.provenance.items() if n != "effects"}
    return save_tensors(out or checkpoint, kept, header)
