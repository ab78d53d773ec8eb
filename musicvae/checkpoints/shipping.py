"""Floor 6: a finished run -> a checkpoint that ships, with its card.

What ships is one file in half precision: the averaged weights and the path prior, with preset and
provenance in the header. `load` gives float32 back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from musicvae.checkpoints.files import MODEL_FILE, Checkpoint, load, packed, save
from musicvae.config import Preset
from musicvae.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_BYTES = 8_000_000
_EXACT = 1e-3  # of a tensor's greatest number: how far its halves may be off


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
    """Write the model of a finished run to `target` in half precision, with nothing of its place.

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
    tensors = dict(packed(name, halved(tensor)) for name, tensor in kept.tensors.items())
    size = {name: t.numel() * t.element_size() for name, t in tensors.items()}
    if sum(size.values()) >= LARGEST_BYTES:
        groups = {name.partition(".")[0]: 0 for name in size}
        for name, n_bytes in size.items():
            groups[name.partition(".")[0]] += n_bytes
        told = ", ".join(f"{group} {n / 1e6:.1f} MB" for group, n in sorted(groups.items()))
        limit = f"{LARGEST_BYTES / 1e6:g} MB may ship"
        raise CheckpointError(
            path,
            f"too large: {told} where {limit}",
            "train it with a smaller model.width or latent",
        )
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


def halved(tensor: Tensor) -> Tensor:
    """A tensor in half precision, unless that would lose it: too large for it, or all too small."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    off, most = (half.float() - tensor).abs(), tensor.abs()
    return half if bool(off.max() <= _EXACT * most.max()) else tensor


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
    n_bytes = checkpoint.path.stat().st_size if checkpoint.path else 0
    n_model = sum(t.numel() for t in checkpoint.under("model").values())
    on = f" on {known['machine']}" if "machine" in known else ""
    rows = [
        ("what", preset.description or _parts(preset)),
        ("parts", _parts(preset)),
        ("window", _window(preset)),
        ("latent", _latent(preset)),
        ("size", f"{n_model:,} weights, {n_bytes / 1e6:.1f} MB with the prior, half precision"),
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
    for title, found in (
        ("On held-out songs, by `musicvae evaluate`", known.get("figures", {})),
        ("On songs held out for validation, by `musicvae train`", known.get("held_out", {})),
    ):
        if found:
            lines += ["", f"{title}:", "", "| | |", "|---|---|"]
            lines += [f"| {what} | {value:.4g} |" for what, value in flat_figures(found)]
    lines += ["", "Use it:", "", "```sh", f"musicvae sample --checkpoint {name} --n 8 --out songs/"]
    lines += [f"musicvae reconstruct song.mid --checkpoint {name}", "```"]
    return "\n".join(lines) + "\n"


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
