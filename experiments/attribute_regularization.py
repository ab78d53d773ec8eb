"""What it brings, and costs, to make dimensions of the latent follow attributes (AR-VAE).

    python experiments/attribute_regularization.py data/folk --preset melody-2bar --steps 600

Trains the preset twice, once as it is and once with `training.attributes`, and tells on songs held
out for validation how well one dimension alone tells each attribute (Spearman's rank correlation:
of the model that was not made to, the best dimension there is), F1 of reconstructions, and bits.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from musicvae.attributes import measured
from musicvae.config.preset import load_preset
from musicvae.data import Windows
from musicvae.model import MusicVAE
from musicvae.networks.vae import table_of_batch
from musicvae.training import train
from musicvae.training.attribute_regularization import following

_WINDOWS, _BATCH = 2048, 256


def told(model: MusicVAE, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Of windows the dimensions of a slice, mean over slices `(W, latent)`, and the attributes."""
    preset, latent = windows.preset, windows.preset.model.latent
    chosen = np.linspace(0, len(windows) - 1, min(len(windows), _WINDOWS)).astype(np.int64)
    dimensions, values = [], []
    for begin in range(0, len(chosen), _BATCH):
        batch = windows.batch(chosen[begin : begin + _BATCH])
        mu = torch.from_numpy(model.means(batch))
        dimensions.append(following(mu, model.vae.encoder.slices, latent).numpy())
        names = preset.training.attributes
        values.append(measured(table_of_batch(batch, preset), preset.meters, names))
    return np.concatenate(dimensions), np.concatenate(values)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation where both are known, equal values sharing their ranks."""
    there = np.isfinite(a) & np.isfinite(b)
    ranks = []
    for values in (a[there], b[there]):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[place])
    return float(np.corrcoef(*ranks)[0, 1]) if min(map(np.std, ranks)) > 0 else 0.0


def main() -> None:
    """Read the options, train twice, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--preset", default="melody-2bar")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--weight", type=float, default=10.0)
    parser.add_argument("--attributes", nargs="+", default=["density", "register", "range", "mode"])
    asked = parser.parse_args()
    names = "[" + ", ".join(f'"{name}"' for name in asked.attributes) + "]"
    settings = [f"training.attributes={names}", f"training.attribute_weight={asked.weight}"]
    follows = load_preset(asked.preset).with_settings(settings)
    rows: dict[str, list[float]] = {}
    for title, preset in (("as it is", load_preset(asked.preset)), ("regularised", follows)):
        with tempfile.TemporaryDirectory() as name:
            done = train(asked.folder, preset, Path(name) / "run", steps=asked.steps)
            model = MusicVAE.load(Path(name) / "run")
        windows = Windows(asked.folder, follows, split="valid")
        dimensions, values = told(model, windows)
        found = []
        for nth in range(values.shape[1]):
            each = [abs(spearman(column, values[:, nth])) for column in dimensions.T]
            found.append(max(each) if title == "as it is" else each[nth])
        held_out = done.metrics
        rows[title] = [*found, held_out["valid_f1"], held_out["valid_kl_bits"]]
    print("| | " + " | ".join([*asked.attributes, "F1", "bits"]) + " |")
    print("|" + "---|" * (len(asked.attributes) + 3))
    for title, row in rows.items():
        *most, bits = row
        print(f"| {title} | " + " | ".join(f"{x:.3f}" for x in most) + f" | {bits:.0f} |")


if __name__ == "__main__":
    main()
