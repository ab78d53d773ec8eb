"""Fit the directions of attributes for a checkpoint that is trained already, in seconds.

    python musicvae/cli/commands/refit.py checkpoints/folk data/folk
    python musicvae/cli/commands/refit.py melody-2bar data/folk --out new.safetensors --effects 24

The folder must hold the songs that the checkpoint was trained on: directions learn from those of
the training split. Weights, prior and figures of the model stay as they are. `--effects N` then
steers N songs held out for testing and writes the matrix of effects into the checkpoint, for its
card; `experiments/steering.py` prints it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from musicvae.checkpoints import find
from musicvae.training.fit_directions import replace_directions


def main() -> None:
    """Read the options, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="its name, folder or file")
    parser.add_argument("folder", help="the songs it was trained on")
    parser.add_argument(
        "--out", type=Path, help="file to write; the checkpoint itself if not given"
    )
    parser.add_argument("--effects", type=int, default=0, help="songs to measure effects on")
    args = parser.parse_args()
    path = replace_directions(find(args.checkpoint), args.folder, out=args.out)
    print(f"{path} has new directions")
    if args.effects:
        from steering import add_effects

        add_effects(path, args.folder, limit=args.effects)
        print(f"{path} has the effects of steering by them")


if __name__ == "__main__":
    main()
