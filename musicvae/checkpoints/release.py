"""Floor 6: a finished run -> a checkpoint that ships, with its card.

What ships is one small file (`packing`): the averaged weights and the path prior, with preset and
provenance in the header. `load` gives float32 back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from musicvae.checkpoints.checkpoint import MODEL_FILE, Checkpoint, load, save
from musicvae.checkpoints.compression import n_bytes, packed, unpacked
from musicvae.config.preset import Preset
from musicvae.errors import CheckpointError

LARGEST_BYTES = 8_000_000
_HEADER_BYTES = 100_000  # at most, left for preset, provenance and names


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run does not know of itself."""

    data: str
    """The music it learned from, for people to read."""
    licence: str
    """That of the music."""
    credits: str = ""
    machine: str = ""
    limits: str = ""
    """What the model is not good at."""


def ship(
    run: str | Path, target: str | Path, origin: Origin, figures: Mapping[str, float] | None = None
) -> Checkpoint:
    """Write the model of a finished run to `target`, packed small, with nothing of its place.

    Args:
        run: the folder of a run, or its model.
        origin: data, licence and the like, for the header and the card.
        figures: what `musicvae evaluate` found; what validation found stays beside it.

    Raises `CheckpointError` if the run has not come to its end or gives a file of 8 MB or more.
    """
    path = Path(run) / MODEL_FILE if Path(run).is_dir() else Path(run)
    kept = load(path)
    if not kept.provenance.get("finished"):
        raise CheckpointError(path, "the run has not come to its end", "go on with --resume")
    tensors = packed(kept.tensors, LARGEST_BYTES - _HEADER_BYTES)
    if (size := n_bytes(tensors)) >= LARGEST_BYTES - _HEADER_BYTES:
        reason = f"too large: {size / 1e6:.1f} MB where {LARGEST_BYTES / 1e6:g} MB may ship"
        raise CheckpointError(path, reason, "train it with a smaller model.width or latent")
    known = {name: value for name, value in vars(origin).items() if value}
    provenance = {
        **{name: value for name, value in kept.provenance.items() if name != "source"},
        **known,
        "seed": kept.preset.training.seed,
    }
    if figures:
        provenance["figures"] = dict(figures)
    shipped = replace(kept, tensors=tensors, provenance=_without_paths(provenance))
    return replace(shipped, path=save(shipped, target))


def flat_figures(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in nested tables, each with its names joined by blanks."""
    for name, value in found.items():
        words = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from flat_figures(value, words)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield words, value


def card(checkpoint: Checkpoint, name: str) -> str:
    """What people should know of a shipped checkpoint, as Markdown."""
    preset, known = checkpoint.preset, checkpoint.provenance
    size = checkpoint.path.stat().st_size if checkpoint.path else 0
    whole = replace(checkpoint, tensors=unpacked(checkpoint.tensors))
    n_model = sum(t.numel() for t in whole.tensors_under("model").values())
    lean = sum(t.numel() for n, t in checkpoint.tensors.items() if n.endswith(".bytes"))
    kept_in = "half precision" + (f", {lean:,} numbers in a byte" if lean else "")
    on = f" on {known['machine']}" if "machine" in known else ""
    beside = " with the prior" if whole.tensors_under("prior") else ""
    rows = [
        ("what", preset.description or _parts(preset)),
        ("parts", _parts(preset)),
        ("window", _window(preset)),
        ("latent", _latent(preset)),
        ("size", f"{n_model:,} weights, {size / 1e6:.1f} MB{beside}, {kept_in}"),
        ("learned from", f"{known.get('data', '?')}: {_amount(known)}"),
        ("licence of the music", known.get("licence", "?")),
        ("credits", known.get("credits", "")),
        ("how long", f"{known.get('minutes', 0):g} minutes, {known.get('steps', 0):,} steps{on}"),
        ("seed", str(known.get("seed", ""))),
        ("goes on from", str(known.get("from", {}).get("name", ""))),
        ("limits", known.get("limits", "")),
    ]
    lines = [f"# {name}", "", "| | |", "|---|---|"]
    lines += [f"| {what} | {words} |" for what, words in rows if words]
    judge = "experiments/denoising.py" if preset.repairs else "musicvae evaluate"
    for title, found in (
        (f"On held-out songs, by `{judge}`", known.get("figures", {})),
        ("On songs held out for validation, by `musicvae train`", known.get("held_out", {})),
    ):
        if found:
            lines += ["", f"{title}:", "", "| | |", "|---|---|"]
            lines += [f"| {what} | {value:.4g} |" for what, value in flat_figures(found)]
    lines += _effects(known.get("effects", {}))
    lines += ["", "Use it:", "", "```sh", *_uses(preset, name), "```"]
    return "\n".join(lines) + "\n"


def _uses(preset: Preset, name: str) -> list[str]:
    """Commands that a model is there for."""
    if not preset.repairs:
        sample = f"musicvae sample --checkpoint {name} --n 8 --out songs/"
        return [sample, f"musicvae reconstruct song.mid --checkpoint {name}"]
    kinds = {"wrong": "denoise", "hidden": "score", "flat": "humanise", "tapped": "drumify"}
    told = preset.training.told
    return [
        f"musicvae {what} song.mid --checkpoint {name}"
        for kind, what in kinds.items()
        if kind in told
    ]


def _effects(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What steering does, as lines of Markdown."""
    if not found:
        return []
    names = list(found)
    lines = [
        "",
        "What `steer` does to songs held out for testing, by `experiments/steering.py`: how far each "
        "attribute (columns) moves for a standard deviation asked of one (rows), and Spearman's "
        "correlation of what was asked and what became:",
        "",
        "| asked | rank | " + " | ".join(names) + " |",
        "|" + "---|" * (len(names) + 2),
    ]
    for name, row in found.items():
        cells = " | ".join(f"{row.get(other, math.nan):.2f}" for other in names)
        lines.append(f"| {name} | {row.get('rank', math.nan):.2f} | {cells} |")
    return lines


def _parts(preset: Preset) -> str:
    return ", ".join(f"{part.name} ({part.kind})" for part in preset.parts)


def _window(preset: Preset) -> str:
    bars, steps = preset.grid.bars, preset.grid.steps_per_quarter
    return f"{bars} bars of at most {preset.grid.max_steps} cells, {steps} a quarter"


def _latent(preset: Preset) -> str:
    model, asked = preset.model, preset.training.asked_bits
    words = f"{model.latent} numbers for each {model.slices}"
    return f"{words}; {asked:g} bits a window asked for" if asked else words


def _amount(known: Mapping[str, Any]) -> str:
    return f"{known.get('songs', 0):,} songs, {known.get('windows', 0):,} windows"


def _without_paths(value: Any) -> Any:
    """Plain data in which what names a place on this machine is cut to its last word."""
    if isinstance(value, Mapping):
        return {name: _without_paths(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_paths(each) for each in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute() or value.startswith("~"):
                return kind(value).name
    return value
