"""Floor 6: checkpoints. One safetensors file: weights, with preset and provenance in its header.

`checkpoints/NAME/` holds `model.safetensors` (the best so far), `resume.safetensors` (what going on
needs: weights, their average, optimizer moments, counters), `metrics.csv` and the preset. Nothing
is pickled; every file is written aside and renamed.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.config import Preset, preset_from_dict
from musicvae.errors import CheckpointError, ConfigError, reason_of
from musicvae.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
MODEL_FILE, STATE_FILE = "model.safetensors", "resume.safetensors"
_HINT = "train one with: musicvae train data/midi/"
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

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix.`, without it."""
        cut = len(prefix) + 1
        return {n[cut:]: t for n, t in self.tensors.items() if n.startswith(prefix + ".")}


def save(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a checkpoint; the inverse is `load`. Raises `WriteError`."""
    header = {"preset": checkpoint.preset.to_dict(), "provenance": checkpoint.provenance}
    return save_tensors(path, checkpoint.tensors, header)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint. Raises `CheckpointError` if missing, damaged or of another format."""
    tensors, header = load_tensors(path)
    try:
        preset = preset_from_dict(header["preset"], str(path))
    except KeyError:
        raise CheckpointError(path, "carries no preset", _HINT) from None
    except ConfigError as error:
        reason = f"its preset is not understood ({error})"
        raise CheckpointError(path, reason, "use the version that wrote it") from None
    return Checkpoint(
        preset=preset, tensors=tensors, provenance=header.get("provenance", {}), path=Path(path)
    )


def save_tensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file of our format."""
    from safetensors.torch import save as to_bytes

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"musicvae": json.dumps({"format": FORMAT, **header}, sort_keys=True)}
    return write_bytes(path, to_bytes(whole, metadata=metadata))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote, its header checked before anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        return load_file(path), header
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged ({error})", _HINT) from None


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a checkpoint, without its weights. Raises `CheckpointError`."""
    try:
        with Path(path).open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER_BYTES:
                raise ValueError("no safetensors header")
            metadata = json.loads(file.read(size)).get("__metadata__") or {}
            header = json.loads(metadata["musicvae"]) if "musicvae" in metadata else None
    except OSError as error:
        raise CheckpointError(path, reason_of(error), _HINT) from None
    except (struct.error, ValueError, AttributeError, TypeError):
        raise CheckpointError(path, "not a safetensors file, or cut short", _HINT) from None
    if not isinstance(header, dict):
        raise CheckpointError(path, "not a checkpoint of musicvae", _HINT)
    if header.get("format") != FORMAT:
        reason = f"format {header.get('format')}, this version reads {FORMAT}"
        raise CheckpointError(path, reason, "upgrade musicvae, or train anew")
    return header


def find(name: str | Path | None = None, folder: str | Path = "checkpoints") -> Path:
    """The checkpoint meant by a name or a path; without one the newest run, else a shipped one.

    Raises `CheckpointError` when there is none.
    """
    if name is not None:
        for place in (Path(name), Path(folder) / name):
            if place.is_file():
                return place
            if (place / MODEL_FILE).is_file():
                return place / MODEL_FILE
        for shipped in shipped_checkpoints():
            if shipped.stem == str(name):
                return shipped
        raise CheckpointError(name, "no such checkpoint", _HINT)
    runs = [p for p in Path(folder).glob(f"*/{MODEL_FILE}") if p.parent.name != "pretrained"]
    finished = [p for p in runs if is_finished(p)]
    if finished:
        return max(finished, key=lambda p: p.stat().st_mtime)
    shipped_ones = shipped_checkpoints()
    if shipped_ones:
        return shipped_ones[0]
    if runs:
        return max(runs, key=lambda p: p.stat().st_mtime)
    raise CheckpointError(folder, "no checkpoint there", _HINT)


def find_run(name: str | None, folder: str | Path = "checkpoints") -> Path:
    """The folder of a run that can be resumed: by name, or the newest one."""
    if name is not None:
        run = Path(folder) / name
        if not (run / STATE_FILE).is_file():
            raise CheckpointError(run, "no run to resume there", _HINT)
        return run
    runs = list(Path(folder).glob(f"*/{STATE_FILE}"))
    if not runs:
        raise CheckpointError(folder, "no run to resume there", _HINT)
    return max(runs, key=lambda p: p.stat().st_mtime).parent


def free_run_name(name: str, *, named: bool, folder: str | Path = "checkpoints") -> str:
    """`name`, or with a number behind it if a run has it; a name that a user chose is kept."""
    if named or not (Path(folder) / name).exists():
        return name
    number = 2
    while (Path(folder) / f"{name}-{number}").exists():
        number += 1
    return f"{name}-{number}"


def shipped_checkpoints() -> list[Path]:
    """The checkpoints that came with the package, in the order of their names."""
    beside = Path(str(resources.files("musicvae"))) / "pretrained"
    checkout = Path(__file__).parent.parent / "checkpoints" / "pretrained"
    folder = beside if beside.is_dir() else checkout
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []


def is_finished(path: Path) -> bool:
    """Whether this is the model of a run that came to its end."""
    try:
        return bool(read_header(path).get("provenance", {}).get("finished"))
    except CheckpointError:
        return False
