"""Benefit and cost of attribute regularization (AR-VAE): the table of docs/attributes.md.

    python -m experiments.attribute_regularization data/folk --preset melody-2bar --steps 600

Trains the preset with and without `training.attributes`. On validation songs, prints the rank
correlation of each attribute with its regularized dimension (without regularization, with the best
dimension), F1 of reconstructions, and KL in bits.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from experiments.common import markdown_head, markdown_row, spearman
from musicvae.attributes import window_attributes
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.model import MusicVAE
from musicvae.networks.vae import to_note_table
from musicvae.training import train
from musicvae.training.attribute_regularization import regularized_dims

_MAX_WINDOWS, _BATCH_SIZE = 2048, 256


def dimensions_and_attributes(
    model: MusicVAE, windows: WindowDataset
) -> tuple[np.ndarray, np.ndarray]:
    """Return latent dimensions of windows, mean over slices `(W, Z)`, and attributes `(W, A)`."""
    preset, latent = windows.preset, windows.preset.model.latent
    chosen = np.linspace(0, len(windows) - 1, min(len(windows), _MAX_WINDOWS)).astype(np.int64)
    dimensions, values = [], []
    for begin in range(0, len(chosen), _BATCH_SIZE):
        batch = windows.batch(chosen[begin : begin + _BATCH_SIZE])
        mu = torch.from_numpy(model.posterior_means(batch))
        dimensions.append(regularized_dims(mu, model.vae.encoder.n_slices, latent).numpy())
        names = preset.training.attributes
        values.append(window_attributes(to_note_table(batch, preset), preset.meters, names))
    return np.concatenate(dimensions), np.concatenate(values)


def main() -> None:
    """Train twice and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--preset", default="melody-2bar")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--weight", type=float, default=10.0)
    parser.add_argument("--attributes", nargs="+", default=["density", "register", "range", "mode"])
    args = parser.parse_args()
    names = "[" + ", ".join(f'"{name}"' for name in args.attributes) + "]"
    settings = [f"training.attributes={names}", f"training.attribute_weight={args.weight}"]
    regularized = load_preset(args.preset).with_settings(settings)
    rows: dict[str, list[float]] = {}
    for title, preset in (("baseline", load_preset(args.preset)), ("regularized", regularized)):
        with tempfile.TemporaryDirectory() as name:
            done = train(args.folder, preset, Path(name) / "run", steps=args.steps)
            model = MusicVAE.load(Path(name) / "run")
        windows = WindowDataset(args.folder, regularized, split="valid")
        dimensions, values = dimensions_and_attributes(model, windows)
        found = []
        for nth in range(values.shape[1]):
            each = [abs(spearman(column, values[:, nth])) for column in dimensions.T]
            found.append(max(each) if title == "baseline" else each[nth])
        held_out = done.metrics
        rows[title] = [*found, held_out["valid_f1"], held_out["valid_kl_bits"]]
    print(markdown_head(["", *args.attributes, "F1", "bits"]))
    for title, row in rows.items():
        *most, bits = row
        print(markdown_row([title, *(f"{x:.3f}" for x in most), f"{bits:.0f}"]))


if __name__ == "__main__":
    main()
