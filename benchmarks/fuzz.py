"""Fuzzing of every kind of file, through the commands that read it.

    python benchmarks/fuzz.py --place build/fuzz
    python benchmarks/fuzz.py --place build/fuzz --kinds abc midi --n 500 --seed 3

Each mutation (tests/support/fuzz) goes through one command in a process of its own: it must end
within 20 seconds and 1 GB of memory beyond the start, in success or in one line of error. Files
that break this are kept under `PLACE/found`. `--place` holds a small model, trained on the first
run.
`benchmarks/fuzz_prepare.py` does the same for whole folders of MIDI.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from forks import preload

from support.fuzz.kinds import Kind, attempt, make_workplace, model_kinds, song_kinds, sound_kinds


def fuzz(
    name: str, kind: Kind, place: Path, *, n: int, seed: int, seconds: float, minutes: float
) -> int:
    """Run `n` mutations of a kind, or what fits into some minutes.

    Prints the outcomes and returns the number of failures.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    counts: Counter[str] = Counter()
    details: Counter[str] = Counter()
    found = place / "found" / name
    slowest, largest, start = 0.0, 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for words in dict.fromkeys(map(kind.words, range(n))):
            outcome = attempt(kind, kind.originals[0], words, place, folder, seconds)
            if outcome.verdict != "done":
                print(f"{name}: a valid file: {words}: {outcome.verdict} {outcome.detail}")
        for number in range(n):
            if time.perf_counter() - start > 60 * minutes:
                break
            content = kind.mutate(kind.originals[number % len(kind.originals)], rng)
            shutil.rmtree(folder / "out", ignore_errors=True)
            words = kind.words(number)
            outcome = attempt(kind, content, words, place, folder, seconds)
            counts[outcome.verdict] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.extra_bytes)
            if outcome.is_failure:
                found.mkdir(parents=True, exist_ok=True)
                (found / f"{seed}-{number}{kind.suffix}").write_bytes(content)
                details[f"{outcome.verdict} {words.split()[0]}: {outcome.detail}"] += 1
                print(f"! {name} {seed}-{number} {words.split()[0]} {outcome.verdict}", flush=True)
    figures = {
        "kind": name,
        "mutations": counts.total(),
        **counts,
        "slowest_s": round(slowest, 1),
        "most_mb": largest >> 20,
        "seconds": round(time.perf_counter() - start),
    }
    print(json.dumps(figures), flush=True)
    for detail, count in details.most_common():
        print(f"{count:6}  {detail}", flush=True)
    return sum(details.values())


def main() -> None:
    """Fuzz the kinds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of the model and finds")
    parser.add_argument("--kinds", nargs="*", help="by default all")
    parser.add_argument("--n", type=int, help="mutations; by default 2,000, and 200 of sound")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of a command")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most, of a kind")
    args = parser.parse_args()
    place = args.place.resolve()
    if not (place / "empty").is_dir():
        make_workplace(place)
    preload()
    kinds = {**song_kinds(), **model_kinds(place), **sound_kinds()}
    os.chdir(place / "empty")
    n_failures = sum(
        fuzz(
            name,
            kinds[name],
            place,
            n=args.n or kinds[name].n_mutations,
            seed=args.seed,
            seconds=args.seconds,
            minutes=args.minutes,
        )
        for name in args.kinds or kinds
    )
    sys.exit(min(n_failures, 1))


if __name__ == "__main__":
    main()
