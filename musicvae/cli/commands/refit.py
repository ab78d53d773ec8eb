"""Fit the prior over paths of latents anew, for a checkpoint that is trained already.

    python musicvae/cli/commands/refit.py checkpoints/folk data/folk --minutes 3
    python musicvae/cli/commands/refit.py checkpoints/folk data/folk --kind gaussian --out other.safetensors

The folder must hold the songs that the checkpoint was trained on: the prior learns from those of
the training split. Weights and figures of the model stay as they are.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from musicvae.checkpoints import find
from musicvae.config.sections import PRIORS, PriorConfig
from musicvae.training.fit_prior import refit_prior


def main() -> None:
    """Read the options, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="its name, folder or file")
    parser.add_argument("folder", help="the songs it was trained on")
    parser.add_argument("--minutes", type=float, help="at most; the preset's if not given")
    parser.add_argument("--steps", type=int, help="at most; the preset's if not given")
    parser.add_argument("--kind", choices=PRIORS, help="the preset's if not given")
    parser.add_argument("--out", help="file to write; the checkpoint itself if not given")
    args = parser.parse_args()
    asked = {name: getattr(args, name) for name in ("minutes", "steps", "kind")}

    def change(config: PriorConfig) -> PriorConfig:
        return replace(config, **{name: v for name, v in asked.items() if v is not None})

    path = refit_prior(find(args.checkpoint), args.folder, change, out=args.out)
    print(f"{path} has a new prior")


if __name__ == "__main__":
    main()
