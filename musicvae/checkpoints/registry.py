"""Floor 6: which checkpoint is meant: by its name, or by what it is wanted for.

Runs of the user's lie under `./checkpoints/`; what came with the package has no place there and
never counts as newest. Only headers are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from musicvae.checkpoints.checkpoint import (
    HINT,
    MODEL_FILE,
    STATE_FILE,
    file_hash,
    preset_from_header,
    read_header,
)
from musicvae.errors import CheckpointError, nearest
from musicvae.representation.bars import Bars
from musicvae.representation.preset_fit import PresetFit, pick_best, mean_fit

DEFAULT = "chorale-4bar"
"""The shipped model that is taken where there is nothing to fit."""
_SHIPPED = "pretrained"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A checkpoint, and why it was chosen, for people to read."""

    path: Path
    why: str


def find(name: str | Path | None = None, folder: str | Path = "checkpoints") -> Path:
    """The checkpoint meant by a name or a path; without one the newest run, else a shipped one.

    A run hides a shipped model of its name, which `pretrained/NAME` still finds.
    Raises `CheckpointError` when there is none.
    """
    if name is None:
        return choose((), folder).path
    for place in (Path(name), Path(folder) / name):
        if place.is_file():
            return place
        if (place / MODEL_FILE).is_file():
            return place / MODEL_FILE
    shipped = {path.stem: path for path in shipped_checkpoints()}
    plain = str(name).removeprefix(f"{_SHIPPED}/")
    if plain in shipped:
        return shipped[plain]
    known = [*shipped, *(checkpoint_name(run) for run in finished_runs(folder))]
    listed = f"shipped are {', '.join(shipped)}; " if shipped else ""
    raise CheckpointError(name, f"no such checkpoint{nearest(plain, known)}", listed + HINT)


def find_by_hash(name: str, digits: str, folder: str | Path = "checkpoints") -> Path | None:
    """The checkpoint with this hash, whatever it is called now: first the one of this name, then
    the runs under `folder` and what is shipped; none if it is not there.
    """
    places = [*finished_runs(folder), *shipped_checkpoints()]
    places.sort(key=lambda path: checkpoint_name(path) != name)
    if name and (Path(folder) / name / MODEL_FILE).is_file():  # a run that is not finished, too
        places.insert(0, Path(folder) / name / MODEL_FILE)
    return next((path for path in places if file_hash(path) == digits), None)


def choose(
    songs: Sequence[Bars] = (), folder: str | Path = "checkpoints", mends: Sequence[str] = ()
) -> Choice:
    """The checkpoint for these songs, all of them together.

    The newest finished run that they fit about as well as anything there is; else the shipped
    model that they fit best. Without songs the newest finished run, else a shipped one. Models that
    learned to mend are chosen only where they shall, those that know all of the damage `mends`.
    Raises `CheckpointError` when there is none.
    """
    own = [path for path in finished_runs(folder) if serves(path, mends)]
    shipped = [path for path in shipped_checkpoints() if serves(path, mends)]
    if mends and not own and not shipped:
        hint = "train one: `musicvae train SONGS --preset melody-repair`"
        raise CheckpointError(folder, f"no model there mends notes ({', '.join(mends)})", hint)
    if songs and (own or shipped):
        fits = {path: _fit(path, songs) for path in (*own, *shipped)}
        most = max(fits.values(), key=lambda fit: fit.order)
        for path in own:
            if fits[path].suits_like(most):
                return Choice(path=path, why=f"the newest run that fits: {fits[path]}")
        path = pick_best(shipped or own, fits.__getitem__)
        which = "shipped" if shipped else "of the runs here"
        others = [f"{checkpoint_name(run)}: {fits[run]}" for run in own[:1] if run != path]
        why = "; ".join([f"{which}, it fits best: {fits[path]}", *others])
        return Choice(path=path, why=why)
    if own:
        return Choice(path=own[0], why="the newest run")
    if shipped:
        named = [path for path in shipped if path.stem == DEFAULT]
        return Choice(path=(named or shipped)[0], why="shipped")
    if unfinished := [path for path in _newest(folder, MODEL_FILE) if serves(path, mends)]:
        return Choice(path=unfinished[0], why="the newest run, not finished")
    raise CheckpointError(folder, "no checkpoint there", HINT)


def best_shipped(preset: str | None, songs: Sequence[Bars]) -> Path | None:
    """The shipped model of this preset; of no preset, the one that the songs fit best, if any."""
    if preset is not None:
        same = [p for p in shipped_checkpoints() if preset_from_header(read_header(p), p).name == preset]
        return same[0] if same else None
    fits = {path: _fit(path, songs) for path in shipped_checkpoints() if serves(path)}
    fits = {path: fit for path, fit in fits.items() if fit.share > 0}
    return pick_best(fits, fits.__getitem__) if fits else None


def serves(path: Path, mends: Sequence[str] = ()) -> bool:
    """Whether a model knows all of this damage; of none, whether it makes songs."""
    training = preset_from_header(read_header(path), path).training
    return set(mends) <= set(training.told) if mends else training.objective != "dae"


def _fit(path: Path, songs: Sequence[Bars]) -> PresetFit:
    return mean_fit(preset_from_header(read_header(path), path), songs)


def checkpoint_name(path: Path) -> str:
    """What `find` knows a checkpoint by."""
    return path.parent.name if path.name == MODEL_FILE else path.stem


def find_run(name: str | None, folder: str | Path = "checkpoints") -> Path:
    """The folder of a run that can be resumed: by name, or the newest one."""
    if name is not None:
        run = Path(folder) / name
        if not (run / STATE_FILE).is_file():
            raise CheckpointError(run, "no run to resume there", HINT)
        return run
    runs = _newest(folder, STATE_FILE)
    if not runs:
        raise CheckpointError(folder, "no run to resume there", HINT)
    return runs[0].parent


def unused_run_name(name: str, *, named: bool, folder: str | Path = "checkpoints") -> str:
    """`name`, or with a number behind it if a run has it; a name that a user chose is kept."""
    if named or not (Path(folder) / name).exists():
        return name
    number = 2
    while (Path(folder) / f"{name}-{number}").exists():
        number += 1
    return f"{name}-{number}"


def shipped_folder() -> Path:
    """Where the package's own checkpoints lie: in the wheel, or in a checkout."""
    beside = Path(str(resources.files("musicvae"))) / _SHIPPED
    return beside if beside.is_dir() else Path(__file__).parents[2] / "checkpoints" / _SHIPPED


def shipped_checkpoints() -> list[Path]:
    """The checkpoints that came with the package, in the order of their names."""
    return sorted(shipped_folder().glob("*.safetensors"))


def finished_runs(folder: str | Path = "checkpoints") -> list[Path]:
    """The models of runs that came to their end, the newest first."""
    return [path for path in _newest(folder, MODEL_FILE) if is_finished(path)]


def is_finished(path: Path) -> bool:
    """Whether this is the model of a run that came to its end."""
    try:
        header = read_header(path)
        preset_from_header(header, path)
    except CheckpointError:
        return False
    return bool(header.get("provenance", {}).get("finished"))


def _newest(folder: str | Path, file: str) -> list[Path]:
    """This file of each run under a folder, the newest first."""
    runs = [path for path in Path(folder).glob(f"*/{file}") if path.parent.name != _SHIPPED]
    return sorted(runs, key=lambda path: path.stat().st_mtime, reverse=True)
