"""Choice of a checkpoint: by name, by hash, or by how well it fits songs.

The user's runs lie under `./checkpoints/`; shipped models lie in the package and never count as
newest. Only headers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from musicvae.checkpoints.checkpoint import (
    MODEL_FILE,
    STATE_FILE,
    TRAIN_HINT,
    file_hash,
    load_header,
)
from musicvae.errors import CheckpointError, WriteError, is_file_name, nearest, os_reason
from musicvae.representation.bars import Bars
from musicvae.representation.preset_fit import PresetFit, mean_fit, pick_best
from musicvae.storage import LOCK_FILE, hidden_lock_file, locked

DEFAULT_MODEL = "chorale-4bar"
"""The shipped model that is used when there are no songs to fit."""
SHIPPED_FOLDER = "pretrained"
N_MEASURED = 3
"""Models that fit songs best, of which it is measured how well they reconstruct them."""
F1_RESOLUTION = 0.02
"""By as much a run may be worse than another model and is still preferred."""


@dataclass(frozen=True, kw_only=True)
class CheckpointChoice:
    """A checkpoint, and why it was chosen, for people to read."""

    path: Path
    reason: str
    note_share: float | None = None
    """Share of the notes of the songs that its preset can represent; None without songs."""


def find(name: str | Path | None = None, folder: str | Path = "checkpoints") -> Path:
    """Return the checkpoint of a name or path; without one the newest run, else a shipped model.

    A run hides a shipped model of its name, which `pretrained/NAME` still finds.
    Raises `CheckpointError` when there is none.
    """
    if name is None:
        return choose((), folder).path
    for candidate in (Path(name), Path(folder) / name):
        if candidate.is_file():
            return candidate
        if (candidate / MODEL_FILE).is_file():
            return candidate / MODEL_FILE
    shipped = {path.stem: path for path in shipped_checkpoints()}
    plain = str(name).removeprefix(f"{SHIPPED_FOLDER}/")
    if plain in shipped:
        return shipped[plain]
    known = [*shipped, *(checkpoint_name(run) for run in finished_runs(folder))]
    listed = f"shipped are {', '.join(shipped)}; " if shipped else ""
    raise CheckpointError(name, f"no such checkpoint{nearest(plain, known)}", listed + TRAIN_HINT)


def find_by_hash(name: str, digest: str, folder: str | Path = "checkpoints") -> Path | None:
    """Return the checkpoint with this hash among runs and shipped models, None if there is none.

    The one called `name` is tried first; other names are found too.
    """
    candidates = [*finished_runs(folder), *shipped_checkpoints()]
    candidates.sort(key=lambda path: checkpoint_name(path) != name)
    if (
        is_file_name(name) and (Path(folder) / name / MODEL_FILE).is_file()
    ):  # also an unfinished run
        candidates.insert(0, Path(folder) / name / MODEL_FILE)
    return next((path for path in candidates if file_hash(path) == digest), None)


def choose(
    songs: Sequence[Bars] = (),
    folder: str | Path = "checkpoints",
    corruptions: Sequence[str] = (),
    measure: Callable[[Path], float] | None = None,
) -> CheckpointChoice:
    """Return the checkpoint for these songs, all of them together.

    The newest finished run that fits them about as well as the best of all candidates; else the
    shipped model that fits them best. Without songs the newest finished run, else a shipped model.
    `measure` returns the F1 with which a model reconstructs the songs: it is asked about the models
    that fit best where none is made for just such parts, and decides. Denoising models are
    candidates only for `corruptions`: those trained on all of them.
    Raises `CheckpointError` when there is none.
    """
    runs = [path for path in finished_runs(folder) if is_suited(path, corruptions)]
    shipped = [path for path in shipped_checkpoints() if is_suited(path, corruptions)]
    if corruptions and not runs and not shipped:
        reason = f"no denoising model there for {', '.join(corruptions)}"
        hint = "train one: `musicvae train SONGS --preset melody-repair`"
        raise CheckpointError(folder, reason, hint)
    if songs and (runs or shipped):
        fits = {path: _preset_fit(path, songs) for path in (*runs, *shipped)}
        best = max(fits.values(), key=lambda fit: fit.sort_key)
        if measure is not None and not corruptions and best.note_share and not best.is_exact:
            return _choose_measured(fits, runs, measure)
        for path in runs:
            if fits[path].is_comparable(best):
                reason = f"the newest run that fits: {fits[path]}"
                return CheckpointChoice(path=path, reason=reason, note_share=fits[path].note_share)
        path = pick_best(shipped or runs, fits.__getitem__)
        origin = "shipped" if shipped else "of the runs here"
        others = [f"{checkpoint_name(run)}: {fits[run]}" for run in runs[:1] if run != path]
        reason = "; ".join([f"{origin}, it fits best: {fits[path]}", *others])
        return CheckpointChoice(path=path, reason=reason, note_share=fits[path].note_share)
    if runs:
        return CheckpointChoice(path=runs[0], reason="the newest run")
    if shipped:
        default = [path for path in shipped if path.stem == DEFAULT_MODEL]
        return CheckpointChoice(path=(default or shipped)[0], reason="shipped")
    unfinished = [
        path
        for path in _newest_files(folder, MODEL_FILE)
        if _header_error(path) is None and is_suited(path, corruptions)
    ]
    if unfinished:
        return CheckpointChoice(path=unfinished[0], reason="the newest run, not finished")
    raise CheckpointError(folder, "no checkpoint there", TRAIN_HINT)


def _choose_measured(
    fits: dict[Path, PresetFit], runs: Sequence[Path], measure: Callable[[Path], float]
) -> CheckpointChoice:
    """Return the newest run that reconstructs songs about as well as any, else the best model."""
    by_fit = sorted(fits, key=lambda path: fits[path].sort_key, reverse=True)
    usable = [path for path in by_fit if fits[path].note_share > 0]
    general = [path for path in usable if load_header(path).preset.takes_any_part]
    f1 = {path: measure(path) for path in dict.fromkeys([*usable[:N_MEASURED], *general])}
    best = max(f1, key=lambda path: (round(f1[path], 2), fits[path].sort_key))
    near = [path for path in runs if path in f1 and f1[path] >= f1[best] - F1_RESOLUTION]
    path = near[0] if near else best
    others = [f"{checkpoint_name(each)} {f1[each]:.2f}" for each in f1 if each != path]
    beside = f", {', '.join(others)}" if others else ""
    reason = f"F1 {f1[path]:.2f} on the first bars{beside}; {fits[path]}"
    return CheckpointChoice(path=path, reason=reason, note_share=fits[path].note_share)


def best_shipped(preset: str | None, songs: Sequence[Bars]) -> Path | None:
    """Return the shipped model of a preset or, without one, the one that fits songs best."""
    if preset is not None:
        shipped = shipped_checkpoints()
        same = [p for p in shipped if load_header(p).preset.name == preset]
        return same[0] if same else None
    fits = {path: _preset_fit(path, songs) for path in shipped_checkpoints() if is_suited(path)}
    fits = {path: fit for path, fit in fits.items() if fit.note_share > 0}
    return pick_best(fits, fits.__getitem__) if fits else None


def is_suited(path: Path, corruptions: Sequence[str] = ()) -> bool:
    """Return whether a model was trained on all `corruptions`; if none are given, whether it can
    sample songs.
    """
    training = load_header(path).preset.training
    if corruptions:
        return set(corruptions) <= set(training.condition_kinds)
    return training.objective != "dae"


def _preset_fit(path: Path, songs: Sequence[Bars]) -> PresetFit:
    return mean_fit(load_header(path).preset, songs)


def checkpoint_name(path: Path) -> str:
    """Return the name by which `find` finds a checkpoint."""
    return path.parent.name if path.name == MODEL_FILE else path.stem


def public_name(path: Path, folder: str | Path = "checkpoints") -> str:
    """Return the shortest name by which `find` finds a checkpoint, its path if there is none.

    Of a run that has the name of a shipped model it is the folder of the run, and of that model
    `pretrained/NAME`, so that each can be told from the other.
    """
    name = checkpoint_name(path)
    run = Path(folder) / name / MODEL_FILE
    if path in shipped_checkpoints():
        return f"{SHIPPED_FOLDER}/{name}" if run.is_file() else name
    if not (run.is_file() and run.samefile(path)):
        return str(path)
    return str(run.parent) if is_shipped_name(name) else name


def find_run(name: str | None, folder: str | Path = "checkpoints") -> Path:
    """Return the folder of a resumable run: by name, or the newest. Raises `CheckpointError`."""
    if name is not None:
        run = Path(folder) / name
        if not (run / STATE_FILE).is_file():
            raise CheckpointError(run, "no run to resume there", TRAIN_HINT)
        return run
    runs = _newest_files(folder, STATE_FILE)
    if not runs:
        raise CheckpointError(folder, "no run to resume there", TRAIN_HINT)
    return runs[0].parent


def claim_run_name(name: str, *, user_chosen: bool, folder: str | Path = "checkpoints") -> str:
    """Return `name`, with a number appended if it is taken; a name the user chose is kept.

    The folder of a name that the user did not choose is created, so that no other process gets it.
    Raises `WriteError`, and `CheckpointError` if the user chose the name of a shipped model.
    """
    if user_chosen:
        require_own_name(name)
        return name
    candidate, number = name, 2
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        while True:
            with suppress(FileExistsError):
                (Path(folder) / candidate).mkdir()
                return candidate
            candidate, number = f"{name}-{number}", number + 1
    except OSError as error:
        hint = "choose another working folder"
        raise WriteError(Path(folder) / candidate, os_reason(error), hint) from None


@contextmanager
def locked_checkpoint(path: str | Path) -> Iterator[None]:
    """Let one process at a time write a checkpoint; the folder of a run is locked as a whole.

    Raises `WriteError` if another process does.
    """
    file = Path(path)
    lock_file = file.parent / LOCK_FILE if file.name == MODEL_FILE else hidden_lock_file(file)
    hint = "wait for it, or choose another name"
    with locked(lock_file, WriteError(path, "another process is writing it", hint)):
        yield


def default_run_name(preset: str) -> str:
    """Return the name of a run of a preset, which is never that of a shipped model."""
    return f"my-{preset}" if is_shipped_name(preset) else preset


def is_shipped_name(name: str) -> bool:
    """Return whether a shipped model has this name, so that a run must not take it."""
    return name in {path.stem for path in shipped_checkpoints()}


def require_own_name(name: str) -> None:
    """Raise `CheckpointError` for a name by which `find` finds something else than a run."""
    if name == SHIPPED_FOLDER or is_shipped_name(name):
        reason = "not free for a run, since it is the name of "
        reason += "the shipped models" if name == SHIPPED_FOLDER else "a shipped model"
        raise CheckpointError(name, reason, f"take --name my-{name}")


def shipped_folder() -> Path:
    """Return the folder of the shipped models: in the wheel, or in a checkout."""
    installed = Path(str(resources.files("musicvae"))) / SHIPPED_FOLDER
    if installed.is_dir():
        return installed
    return Path(__file__).parents[2] / "checkpoints" / SHIPPED_FOLDER


def shipped_checkpoints() -> list[Path]:
    """Return the shipped models, sorted by name."""
    return sorted(shipped_folder().glob("*.safetensors"))


def finished_runs(folder: str | Path = "checkpoints") -> list[Path]:
    """Return the models of finished runs, the newest first."""
    return [path for path in _newest_files(folder, MODEL_FILE) if is_finished(path)]


def is_finished(path: Path) -> bool:
    """Return whether this is the model of a finished run."""
    return _header_error(path) is None and bool(load_header(path).provenance.get("finished"))


def unreadable_runs(folder: str | Path = "checkpoints") -> list[CheckpointError]:
    """Return why runs under a folder are passed over: their models cannot be read."""
    errors = (_header_error(path) for path in _newest_files(folder, MODEL_FILE))
    return [error for error in errors if error is not None]


def _header_error(path: Path) -> CheckpointError | None:
    """Return what is wrong with the header of a model, None if nothing is."""
    try:
        load_header(path)
    except CheckpointError as error:
        return error
    return None


def _newest_files(folder: str | Path, file: str) -> list[Path]:
    """Return this file of each run under a folder, the newest first."""
    runs = [
        path
        for path in Path(folder).glob(f"*/{file}")
        if path.parent.name != SHIPPED_FOLDER and path.is_file()
    ]
    return sorted(runs, key=lambda path: path.stat().st_mtime, reverse=True)
