"""Checkpoint file: weights, with preset and provenance in the header of a safetensors file.

`checkpoints/NAME/` holds `model.safetensors` (the best model so far), `resume.safetensors` (what a
resumed run needs: weights, their moving average, optimizer moments, counters), `metrics.csv` and
the preset. Nothing is pickled; every file is written to a temporary name and then renamed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from musicvae.checkpoints.compression import decompress
from musicvae.checkpoints.schema import check_provenance
from musicvae.config.preset import Preset, preset_from_dict
from musicvae.errors import CheckpointError, ConfigError, WriteError, os_reason
from musicvae.storage import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
MODEL_FILE, STATE_FILE = "model.safetensors", "resume.safetensors"
ORIGIN_FILE = "origin.safetensors"
"""In a run's folder, a copy of the checkpoint that it was fine-tuned from."""
TRAIN_HINT = "train one with: musicvae train data/midi/"
MAX_HEADER_BYTES = 8 << 20
"""Size of the header of a safetensors file; those of checkpoints have some kilobytes."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights with everything needed to use them.

    `tensors` are named `model.*`, and `prior.*` and `directions.*` where those were fitted.
    `provenance` records the data, duration and metrics of training.
    """

    preset: Preset
    tensors: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def tensors_under(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix.`, without it."""
        cut = len(prefix) + 1
        return {n[cut:]: t for n, t in self.tensors.items() if n.startswith(prefix + ".")}


class CheckpointHeader(NamedTuple):
    """What the header of a checkpoint says, checked."""

    preset: Preset
    provenance: dict[str, Any]


def save(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a checkpoint; the inverse is `load`. Raises `WriteError`."""
    header = {"preset": checkpoint.preset.to_dict(), "provenance": checkpoint.provenance}
    return save_tensors(path, checkpoint.tensors, header)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, its numbers as float32 whatever they are stored in.

    Raises `CheckpointError` if missing, damaged or of another format, or if its weights are not
    finite or not those of its preset's network.
    """
    from musicvae.networks.weights import load_vae

    tensors, header = load_tensors(path)
    preset, provenance = parse_header(header, path)
    try:
        checkpoint = Checkpoint(
            preset=preset, tensors=decompress(tensors), provenance=provenance, path=Path(path)
        )
        load_vae(preset, checkpoint.tensors_under("model"))
    except (ValueError, RuntimeError) as error:
        reason = f"its weights do not match its preset ({error})"
        raise CheckpointError(path, reason, "train the model again") from None
    return checkpoint


def save_tensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file.

    Raises `WriteError`, also for numbers that are not finite: no such file is ever read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if (broken := first_not_finite(tensors)) is not None:
        raise WriteError(path, f"NaN or inf in {broken}", "train with a lower learning rate")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"musicvae": json.dumps({"format": FORMAT_VERSION, **header}, sort_keys=True)}
    with atomic_path(path) as temporary:  # written directly, not serialized in memory first
        try:
            save_file(whole, temporary, metadata)
        except SafetensorError as error:  # a full disk
            raise WriteError(path, f"cannot be written ({error})", "make room there") from None
    return Path(path)


def load_tensors(
    path: str | Path, hint: str = TRAIN_HINT
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and header that `save_tensors` wrote, after checking the header.

    `hint` says in errors how to make such a file. Raises `CheckpointError`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path, hint)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise CheckpointError(path, f"damaged ({error})", hint) from None
    if (broken := first_not_finite(tensors)) is not None:
        raise CheckpointError(path, f"NaN or inf in {broken[:80]!r}", hint)
    return tensors, header


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with NaN or inf, None if there is none."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.detach().float().isfinite().all()):
            return name
    return None


def read_header(path: str | Path, hint: str = TRAIN_HINT) -> dict[str, Any]:
    """Read the header of a checkpoint, without its weights. Raises `CheckpointError`."""
    try:
        with Path(path).open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > MAX_HEADER_BYTES:
                raise ValueError("no safetensors header")
            metadata = json.loads(file.read(size)).get("__metadata__") or {}
            header = json.loads(metadata["musicvae"]) if "musicvae" in metadata else None
    except OSError as error:
        raise CheckpointError(path, os_reason(error), hint) from None
    except (struct.error, ValueError, AttributeError, TypeError, RecursionError):
        raise CheckpointError(path, "not a safetensors file, or truncated", hint) from None
    if not isinstance(header, dict):
        raise CheckpointError(path, "not a checkpoint of musicvae", hint)
    if header.get("format") != FORMAT_VERSION:
        reason = f"format {header.get('format')}, this version reads {FORMAT_VERSION}"
        raise CheckpointError(path, reason, "upgrade musicvae, or make the file again")
    return header


def load_header(path: str | Path) -> CheckpointHeader:
    """Read preset and provenance of a checkpoint, again only once the file has changed.

    Not to be modified. Raises `CheckpointError`.
    """
    try:
        state = Path(path).stat()
    except OSError as error:
        raise CheckpointError(path, os_reason(error), TRAIN_HINT) from None
    return _cached_header(path, (state.st_mtime_ns, state.st_size, state.st_dev, state.st_ino))


@lru_cache(maxsize=1024)
def _cached_header(path: str | Path, state: tuple[int, ...]) -> CheckpointHeader:
    return parse_header(read_header(path), path)


def parse_header(header: dict[str, Any], path: str | Path) -> CheckpointHeader:
    """Return preset and provenance of what `read_header` returns. Raises `CheckpointError`."""
    try:
        preset = preset_from_dict(header["preset"], str(path))
        provenance = check_provenance(header.get("provenance", {}), len(preset.parts))
    except KeyError:
        raise CheckpointError(path, "contains no preset", TRAIN_HINT) from None
    except ConfigError as error:
        reason = f"its preset is invalid ({error})"
        raise CheckpointError(path, reason, "use the version that wrote it") from None
    except ValueError as error:
        raise CheckpointError(path, str(error), TRAIN_HINT) from None
    return CheckpointHeader(preset, provenance)


def file_hash(path: str | Path) -> str:
    """Return a hash of a file's content: twelve hexadecimal digits (BLAKE2b)."""
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=6).hexdigest()


def flatten_figures(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in nested tables of metrics, each with its names joined by spaces."""
    for name, value in figures.items():
        words = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from flatten_figures(value, words)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield words, value
