"""Measure anew what is usual, for a checkpoint that learned to mend: `score` compares with it.

    python musicvae/cli/commands/refit.py checkpoints/mine data/folk

The folder must hold the songs that the checkpoint was trained on: what is usual is told by those
of the validation split. The weights stay as they are.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from musicvae.checkpoints import find, load, save
from musicvae.data import Windows
from musicvae.networks.vae import VAE
from musicvae.training.callbacks import usual


def main() -> None:
    """Read the options, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="its name, folder or file")
    parser.add_argument("folder", help="the songs it was trained on")
    parser.add_argument("--out", help="file to write; the checkpoint itself if not given")
    args = parser.parse_args()
    found = load(find(args.checkpoint))
    preset, size = found.preset, found.preset.grid.bars
    vae = VAE(preset)
    vae.load_state_dict(found.under("model"))
    seed = preset.training.seed
    windows = Windows(args.folder, preset, split="valid", hop=size, seed=seed)
    norms = usual(vae.eval(), windows)
    new = replace(found, provenance=found.provenance | norms)
    print(f"{save(new, args.out or find(args.checkpoint))}: {norms or 'it did not learn to mend'}")


if __name__ == "__main__":
    main()
