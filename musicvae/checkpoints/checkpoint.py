"""Floor 6: a checkpoint as a file: weights, with preset and provenance in its header.

`checkpoints/NAME/` holds `model.safetensors` (the best so far), `resume.safetensors` (what going on
needs: weights, their average, optimizer moments, counters), `metrics.csv` and the preset. Nothing
is pickled; every file is written aside and renamed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.checkpoints.compression import unpacked
from musicvae.config.preset import Preset, preset_from_dict
from musicvae.errors import CheckpointError, ConfigError, WriteError, os_reason
from musicvae.storage import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
MODEL_FILE, STATE_FILE = "model.safetensors", "resume.safetensors"
ORIGIN_FILE = "origin.safetensors"
"""In a run's folder, a copy of the checkpoint whose weights it began from."""
HINT = "train one with: musicvae train data/midi/"
_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights with everything needed to use them.

    `tensors` are named `model.*`, and `prior.*` where a path prior was fitted. `provenance` says
    on what, how long and how well the weights were trained.
    """

    preset: Preset
    tensors: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def tensors_under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix.`, without it."""
        cut = len(prefix) + 1
        return {n[cut:]: t for n, t in self.tensors.items() if n.startswith(prefix + ".")}


def save(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a checkpoint; the inverse is `load`. Raises `WriteError`."""
    header = {"preset": checkpoint.preset.to_dict(), "provenance": checkpoint.provenance}
    return save_tensors(path, checkpoint.tensors, header)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, its numbers as float32 whatever they are stored in.

    Raises `CheckpointError` if missing, damaged or of another format.
    """
    tensors, header = load_tensors(path)
    return Checkpoint(
        preset=preset_from_header(header, path),
        tensors=unpacked(tensors),
        provenance=header.get("provenance", {}),
        path=Path(path),
    )


def save_tensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file of our format."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"musicvae": json.dumps({"format": FORMAT, **header}, sort_keys=True)}
    with atomic_path(path) as aside:  # written as it is, not made in memory first
        try:
            save_file(whole, aside, metadata)
        except SafetensorError as error:  # a full disk
            raise WriteError(path, f"cannot be written ({error})", "make room there") from None
    return Path(path)


def load_tensors(path: str | Path, hint: str = HINT) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote, its header checked before anything else.

    `hint` says in errors how such a file is made.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path, hint)
    try:
        return load_file(path), header
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged ({error})", hint) from None


def read_header(path: str | Path, hint: str = HINT) -> dict[str, Any]:
    """The header of a checkpoint, without its weights. Raises `CheckpointError`."""
    try:
        with Path(path).open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER_BYTES:
                raise ValueError("no safetensors header")
            metadata = json.loads(file.read(size)).get("__metadata__") or {}
            header = json.loads(metadata["musicvae"]) if "musicvae" in metadata else None
    except OSError as error:
        raise CheckpointError(path, os_reason(error), hint) from None
    except (struct.error, ValueError, AttributeError, TypeError):
        raise CheckpointError(path, "not a safetensors file, or cut short", hint) from None
    if not isinstance(header, dict):
        raise CheckpointError(path, "not a checkpoint of musicvae", hint)
    if header.get("format") != FORMAT:
        reason = f"format {header.get('format')}, this version reads {FORMAT}"
        raise CheckpointError(path, reason, "upgrade musicvae, or make it anew")
    return header


def preset_from_header(header: dict[str, Any], path: str | Path) -> Preset:
    """The preset in a checkpoint's header. Raises `CheckpointError`."""
    try:
        return preset_from_dict(header["preset"], str(path))
    except KeyError:
        raise CheckpointError(path, "carries no preset", HINT) from None
    except ConfigError as error:
        reason = f"its preset is not understood ({error})"
        raise CheckpointError(path, reason, "use the version that wrote it") from None


def file_hash(path: str | Path) -> str:
    """Twelve hexadecimal digits that stand for a checkpoint's whole content."""
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=6).hexdigest()
