"""Make a checkpoint that ships of a finished run: checkpoints/pretrained/NAME.safetensors, NAME.md.

    python scripts/release.py checkpoints/mine melody-2bar --data-name "folk tunes" \\
        --licence "public domain" --figures figures.json --check data/folk

`--figures` is what `musicvae evaluate ... --json` printed. `--check` reconstructs held-out windows
of a folder before and after, and refuses a file whose F1 differs by more than 0.001.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from musicvae.checkpoints import load
from musicvae.checkpoints.release import Origin, card, flat_figures, ship
from musicvae.errors import MusicVAEError

PRETRAINED = Path(__file__).parent.parent / "checkpoints" / "pretrained"
_TOLERANCE = 1e-3
_BY_FEATURE = ("means", "overlap", "kl", "distance_overlap", "distance_kl")
_SMALL_PRINT = (
    "random",
    "unigram",
    "shuffled",
    "identical",
    "f1_any_part",
    "teacher_forced",
    "flat",
)
_SMALL_PRINT += ("nats_by_mean", "draws", "hold", "distance_mean")


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option("--data-name", required=True, help="The music, for people to read.")
@click.option("--licence", required=True, help="Licence of the music.")
@click.option("--credits", default="", help="Whom the licence wants named.")
@click.option("--machine", default="", help="What it was trained on.")
@click.option("--limits", default="", help="What the model is not good at.")
@click.option("--figures", type=click.Path(exists=True, path_type=Path), help="JSON of evaluate.")
@click.option("--check", type=click.Path(exists=True, path_type=Path), help="A folder of songs.")
@click.option("--out", type=click.Path(path_type=Path), default=PRETRAINED, show_default=True)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def main(
    run: Path,
    name: str,
    data_name: str,
    licence: str,
    credits: str,
    machine: str,
    limits: str,
    figures: Path | None,
    check: Path | None,
    out: Path,
    force: bool,
) -> None:
    """Write NAME.safetensors and NAME.md from the finished run in the folder RUN."""
    target = out / f"{name}.safetensors"
    if target.exists() and not force:
        sys.exit(f"{target}: exists already; say --force to overwrite it")
    origin = Origin(
        data=data_name, licence=licence, credits=credits, machine=machine, limits=limits
    )
    try:
        shipped = ship(run, target, origin, read_figures(figures) if figures else None)
        if check is not None:
            compare(run, target, check)
    except MusicVAEError as error:
        sys.exit(str(error))
    target.with_suffix(".md").write_text(card(shipped, name), "utf-8")
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, card beside it")


def read_figures(path: Path) -> dict[str, float]:
    """The numbers in JSON Lines that `musicvae evaluate --json` printed, without tables by feature
    and baselines."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return {what: n for line in lines for what, n in flat_figures(_summary(line))}


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _summary(value) if isinstance(value, dict) else value
        for name, value in found.items()
        if name not in ("schema", "seed", *_SMALL_PRINT)
        and not (isinstance(value, dict) and name in _BY_FEATURE)
    }


def compare(run: Path, target: Path, folder: Path) -> None:
    """Reconstruct held-out windows by the run's model and by what was made of it."""
    from musicvae.checkpoints import MODEL_FILE
    from musicvae.data import Windows
    from musicvae.networks.vae import VAE
    from musicvae.training.validation import free_running

    scores = []
    for path in (run / MODEL_FILE if run.is_dir() else run, target):
        checkpoint = load(path)
        vae = VAE(checkpoint.preset)
        vae.load_state_dict(checkpoint.under("model"))
        windows = Windows(folder, checkpoint.preset, split="valid", hop=checkpoint.preset.grid.bars)
        scores.append(free_running(vae.eval(), windows)["f1"])
    before, after = scores
    if abs(before - after) > _TOLERANCE:
        target.unlink()
        sys.exit(f"{target}: F1 went from {before:.4f} to {after:.4f} in half precision; not kept")
    print(f"F1 {before:.4f} before, {after:.4f} after")


if __name__ == "__main__":
    main()
