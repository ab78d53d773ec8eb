"""Files made to break readers, through every command that reads their kind.

    python benchmarks/hostile.py --place build/fuzz --files ../shared/data/hostile

Each must end in one line of error, within ten seconds and 1 GB of memory beyond that of a valid
file. `--place` is the folder of `benchmarks/fuzz.py`, made on the first run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from forks import preload

from support.fuzz.kinds import Kind, attempt, make_workplace, model_kinds, song_kinds, sound_kinds

SECONDS, MEMORY = 10.0, 1 << 30
DRAWN = "plot FILE"
"""Draws latents without the model, which alone tells whether their number is right."""
TEXTS = {b"<": "musicxml", b"*": "humdrum", b"!": "humdrum"}


def kind_of(path: Path, kinds: dict[str, Kind]) -> Kind:
    """Return the kind of a file: the first one with its suffix, else by its first letter."""
    by_suffix = (kind for kind in kinds.values() if kind.suffix == path.suffix)
    return next(by_suffix, None) or kinds[TEXTS.get(path.read_bytes()[:1], "abc")]


def check(path: Path, kind: Kind, place: Path, usual: dict[str, int]) -> int:
    """Run the commands of a kind on a file, print how each ends, and return the failures.

    `usual` is the memory that each command takes for a valid file.
    """
    n_failures = 0
    for words in (*kind.common, *kind.rare, *kind.others):
        with tempfile.TemporaryDirectory() as folder:
            if words not in usual:
                valid = attempt(kind, kind.originals[0], words, place, Path(folder), 100.0)
                usual[words] = valid.extra_bytes
                for left in (Path(folder, "out"), place / "empty" / "checkpoints"):
                    shutil.rmtree(left, ignore_errors=True)
                if valid.is_failure:
                    print(f"! a valid file {words}: {valid.verdict} {valid.detail}", flush=True)
            outcome = attempt(kind, path.read_bytes(), words, place, Path(folder), SECONDS)
        more = outcome.extra_bytes - usual[words]
        is_drawn = kind.suffix == ".z" and words.startswith(DRAWN) and outcome.verdict == "done"
        is_failure = (outcome.verdict != "refused" and not is_drawn) or more > MEMORY
        n_failures += is_failure
        print(
            f"{'!' if is_failure else ' '} {path.name} {words.split()[0]}: {outcome.verdict}, "
            f"{outcome.seconds:.1f} s, {max(more, 0) >> 20} MB; {outcome.detail}",
            flush=True,
        )
    return n_failures


def main() -> None:
    """Check all files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of benchmarks/fuzz.py")
    parser.add_argument("--files", type=Path, required=True, help="folder of hostile files")
    args = parser.parse_args()
    place, files = args.place.resolve(), sorted(args.files.resolve().iterdir())
    if not (place / "empty").is_dir():
        make_workplace(place)
    preload()
    kinds = {**song_kinds(), **model_kinds(place), **sound_kinds()}
    os.chdir(place / "empty")
    usual: dict[str, int] = {}
    n_failures = 0
    for path in files:
        if path.suffix != ".md":
            n_failures += check(path, kind_of(path, kinds), place, usual)
    print(f"{n_failures} failures")
    sys.exit(min(n_failures, 1))


if __name__ == "__main__":
    main()
