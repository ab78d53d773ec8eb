"""Make a shipped model of a finished run: checkpoints/pretrained/NAME.safetensors and NAME.md.

    python scripts/release.py checkpoints/mine melody-2bar --data-name "folk tunes" \\
        --licence "public domain" --figures figures.json --check data/folk

The model is one small file (`checkpoints.compression`): the averaged weights, the prior and the
directions, with preset and provenance in the header. `--figures` is what `musicvae evaluate ...
--json` printed. `--check` reconstructs held-out windows of a folder before and after, and refuses a
file whose F1 differs by more than 0.001.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import click

from musicvae.checkpoints import MODEL_FILE, Checkpoint, load, save
from musicvae.checkpoints.checkpoint import flatten_figures
from musicvae.checkpoints.compression import compress, decompress, n_bytes
from musicvae.config.preset import Preset
from musicvae.errors import CheckpointError, MusicVAEError

PRETRAINED = Path(__file__).parent.parent / "checkpoints" / "pretrained"
MAX_BYTES = 8_000_000
HEADER_BYTES = 100_000  # reserved for preset, provenance and names
MAX_F1_CHANGE = 1e-3
FIGURES_BY_FEATURE = ("means", "overlap", "kl", "distance_overlap", "distance_kl")
OMITTED_FIGURES = (
    "random",
    "unigram",
    "shuffled",
    "identical",
    "f1_any_part",
    "teacher_forced",
    "flat",
    "nats_by_mean",
    "draws",
    "hold",
    "distance_mean",
)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run does not record about itself."""

    data: str
    """The music it was trained on, for people to read."""
    licence: str
    """Licence of that music."""
    credits: str = ""
    machine: str = ""
    limits: str = ""
    """What the model is not good at."""


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option("--data-name", required=True, help="The music, for people to read.")
@click.option("--licence", required=True, help="Licence of the music.")
@click.option("--credits", default="", help="Whom the licence requires to be credited.")
@click.option("--machine", default="", help="What it was trained on.")
@click.option("--limits", default="", help="What the model is not good at.")
@click.option("--figures", type=click.Path(exists=True, path_type=Path), help="JSON of evaluate.")
@click.option("--check", type=click.Path(exists=True, path_type=Path), help="A folder of songs.")
@click.option("--max-mb", type=float, default=MAX_BYTES / 1e6, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=PRETRAINED, show_default=True)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
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
    max_mb: float,
    out: Path,
    force: bool,
) -> None:
    """Write NAME.safetensors and NAME.md from the finished run in the folder RUN."""
    target = out / f"{name}.safetensors"
    if target.exists() and not force:
        sys.exit(f"{target}: exists already; use --force to overwrite it")
    origin = Origin(
        data=data_name, licence=licence, credits=credits, machine=machine, limits=limits
    )
    try:
        known = read_figures(figures) if figures else None
        shipped = ship(run, target, origin, known, max_bytes=round(1e6 * max_mb))
        if check is not None:
            check_f1(run, target, check)
    except MusicVAEError as error:
        sys.exit(str(error))
    target.with_suffix(".md").write_text(model_card(shipped, name), "utf-8")
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, with its card")


def ship(
    run: str | Path,
    target: str | Path,
    origin: Origin,
    figures: Mapping[str, float] | None = None,
    *,
    max_bytes: int = MAX_BYTES,
) -> Checkpoint:
    """Write the model of a finished run to `target`, compressed, without paths of this machine.

    Args:
        run: the folder of a run, or its model.
        target: the file to write.
        origin: data, licence and the like, for the header and the card.
        figures: what `musicvae evaluate` found; validation metrics are kept beside them.
        max_bytes: the size that the file must stay below.

    Raises `CheckpointError` if the run is not finished, or gives a larger file.
    """
    path = Path(run) / MODEL_FILE if Path(run).is_dir() else Path(run)
    trained = load(path)
    if not trained.provenance.get("finished"):
        raise CheckpointError(path, "the run is not finished", "continue it with --resume")
    tensors = compress(trained.tensors, max_bytes - HEADER_BYTES)
    if (size := n_bytes(tensors)) >= max_bytes - HEADER_BYTES:
        reason = f"too large: {size / 1e6:.1f} MB, the limit is {max_bytes / 1e6:g} MB"
        raise CheckpointError(path, reason, "train it with a smaller model.width or latent")
    known = {name: value for name, value in vars(origin).items() if value}
    provenance = {
        **{name: value for name, value in trained.provenance.items() if name != "source"},
        **known,
        "seed": trained.preset.training.seed,
    }
    if figures:
        provenance["figures"] = dict(figures)
    shipped = replace(trained, tensors=tensors, provenance=without_paths(provenance))
    return replace(shipped, path=save(shipped, target))


def without_paths(value: Any) -> Any:
    """Return plain data with absolute paths cut to their last component."""
    if isinstance(value, Mapping):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(each) for each in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute() or value.startswith("~"):
                return kind(value).name
    return value


def read_figures(path: Path) -> dict[str, float]:
    """Read the figures in JSON Lines from `musicvae evaluate --json`, without tables by feature
    and baselines.
    """
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return {name: n for line in lines for name, n in flatten_figures(_summary(line))}


def _summary(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _summary(value) if isinstance(value, dict) else value
        for name, value in figures.items()
        if name not in ("schema", "seed", *OMITTED_FIGURES)
        and not (isinstance(value, dict) and name in FIGURES_BY_FEATURE)
    }


def check_f1(run: Path, target: Path, folder: Path) -> None:
    """Compare the F1 of a run's model and of its compressed copy on held-out windows."""
    from musicvae.data import WindowDataset
    from musicvae.networks.vae import VAE
    from musicvae.training.validation import validate

    scores = []
    for path in (run / MODEL_FILE if run.is_dir() else run, target):
        checkpoint = load(path)
        preset = checkpoint.preset
        vae = VAE(preset)
        vae.load_state_dict(checkpoint.tensors_under("model"))
        windows = WindowDataset(folder, preset, split="valid", hop_bars=preset.grid.bars)
        scores.append(validate(vae.eval(), windows)["f1"])
    before, after = scores
    if abs(before - after) > MAX_F1_CHANGE:
        target.unlink()
        sys.exit(f"{target}: F1 went from {before:.4f} to {after:.4f} when compressed; not kept")
    print(f"F1 {before:.4f} before, {after:.4f} after")


def model_card(checkpoint: Checkpoint, name: str) -> str:
    """Return the card of a shipped model as Markdown."""
    preset, known = checkpoint.preset, checkpoint.provenance
    size = checkpoint.path.stat().st_size if checkpoint.path else 0
    whole = replace(checkpoint, tensors=decompress(checkpoint.tensors))
    n_weights = sum(t.numel() for t in whole.tensors_under("model").values())
    n_int8 = sum(t.numel() for n, t in checkpoint.tensors.items() if n.endswith(".bytes"))
    precision = "half precision" + (f", {n_int8:,} numbers in a byte" if n_int8 else "")
    on = f" on {known['machine']}" if "machine" in known else ""
    prior = " with the prior" if whole.tensors_under("prior") else ""
    parts = ", ".join(f"{part.name} ({part.kind})" for part in preset.parts)
    amount = f"{known.get('songs', 0):,} songs, {known.get('windows', 0):,} windows"
    duration = f"{known.get('minutes', 0):g} minutes, {known.get('steps', 0):,} steps{on}"
    rows = [
        ("what", preset.description or parts),
        ("parts", parts),
        ("window", _window(preset)),
        ("latent", _latent(preset)),
        ("size", f"{n_weights:,} weights, {size / 1e6:.1f} MB{prior}, {precision}"),
        ("trained on", f"{known.get('data', '?')}: {amount}"),
        ("licence of the music", known.get("licence", "?")),
        ("credits", known.get("credits", "")),
        ("training time", duration),
        ("seed", str(known.get("seed", ""))),
        ("fine-tuned from", str(known.get("from", {}).get("name", ""))),
        ("limits", known.get("limits", "")),
    ]
    lines = [f"# {name}", "", "| | |", "|---|---|"]
    lines += [f"| {field} | {words} |" for field, words in rows if words]
    tests = (
        "On corrupted test songs" if preset.denoises else "On test songs, by `musicvae evaluate`"
    )
    for title, figures in (
        (tests, known.get("figures", {})),
        ("On validation songs, by `musicvae train`", known.get("held_out", {})),
    ):
        if figures:
            lines += ["", f"{title}:", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {value:.4g} |" for name, value in flatten_figures(figures)]
    lines += _steering_effects(known.get("effects", {}))
    lines += ["", "Use it:", "", "```sh", *_usage(preset, name), "```"]
    return "\n".join(lines) + "\n"


def _window(preset: Preset) -> str:
    bars, steps = preset.grid.bars, preset.grid.steps_per_quarter
    return f"{bars} bars of at most {preset.grid.max_steps} steps, {steps} a quarter"


def _latent(preset: Preset) -> str:
    model, bits = preset.model, preset.training.effective_kl_target_bits
    words = f"{model.latent} dimensions for each {model.slices}"
    return f"{words}; target of {bits:g} bits a window" if bits else words


def _usage(preset: Preset, name: str) -> list[str]:
    """Return commands that a model is made for."""
    if not preset.denoises:
        sample = f"musicvae sample --checkpoint {name} --n 8 --out songs/"
        return [sample, f"musicvae reconstruct song.mid --checkpoint {name}"]
    commands = {
        "pitch_substitution": "denoise",
        "part_mask": "anomalies",
        "humanize": "humanise",
        "tapify": "drumify",
    }
    return [
        f"musicvae {command} song.mid --checkpoint {name}"
        for kind, command in commands.items()
        if kind in preset.training.condition_kinds
    ]


def _steering_effects(effects: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the effects of steering as lines of Markdown."""
    if not effects:
        return []
    names = list(effects)
    lines = [
        "",
        "Effect of `musicvae steer` on test songs: how far each attribute (columns) moves when one "
        "of them (rows) is moved by a standard deviation, and Spearman's correlation of the "
        "requested and the measured change:",
        "",
        "| requested | rank | " + " | ".join(names) + " |",
        "|" + "---|" * (len(names) + 2),
    ]
    for name, row in effects.items():
        cells = " | ".join(f"{row.get(other, math.nan):.2f}" for other in names)
        lines.append(f"| {name} | {row.get('rank', math.nan):.2f} | {cells} |")
    return lines


if __name__ == "__main__":
    main()
