"""Fuzzing of `musicvae prepare`: every damaged file must have exactly one typed outcome.

    python benchmarks/fuzz_prepare.py --files 20000 --seed 0

Files are mutated copies (bit flips, truncations, splices, swapped lengths, hostile events; see
tests/support/mutations.py) of the MIDI in the data folder and of exported corpora, some of them of
scores. The run fails if the report does not account for every file, or if a reader failed without
naming what is wrong with a file.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from musicvae.data import corpora
from musicvae.data.prepare import prepare
from support.mutations import mutate

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
SCORE_SHARE = 0.02  # share of mutated scores, which take music21 a thousand times longer
MAX_BYTES = 40_000  # size of a file to mutate


def originals() -> tuple[list[bytes], list[bytes]]:
    """Return MIDI files and scores to mutate."""
    midi = [piece.midi for piece in corpora.pieces("chorales") if hasattr(piece, "midi")][:200]
    midi += [p.read_bytes() for p in sorted(DATA.glob("bad-midi/**/*")) if p.is_file()]
    midi += [p.read_bytes() for p in sorted(DATA.glob("freedoom/*.mid"))]
    midi += [p.read_bytes() for p in sorted(DATA.glob("groove/**/*.mid"))[:100]]
    scores = [p.read_bytes() for p in sorted(DATA.glob("lieder/**/*.mxl"))[:60]]
    return [m for m in midi if len(m) <= MAX_BYTES], [s for s in scores if len(s) <= MAX_BYTES]


def write_mutated(folder: Path, n: int, seed: int) -> None:
    """Write `n` mutated files."""
    midi, scores = originals()
    rng = np.random.default_rng(seed)
    for i in range(n):
        source = scores if scores and rng.random() < SCORE_SHARE else midi
        content = mutate(source[int(rng.integers(len(source)))], rng)
        target = folder / f"{i // 1000:03d}" / f"{i:06d}.mid"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def main() -> None:
    """Mutate, prepare, and count the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source, out = Path(place, "files"), Path(place, "out")
        source.mkdir()
        write_mutated(source, args.files, args.seed)
        start = time.perf_counter()
        report = prepare(source, out, workers=args.workers)
        seconds = time.perf_counter() - start
        skipped = json.loads((out / "report.json").read_text("utf-8"))["skipped"]
    reasons = Counter(entry["reason"].split(":")[0].split("(")[0].strip() for entry in skipped)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{report.files:,} files: {report.kept:,} kept, {len(skipped):,} skipped, {seconds:.0f} s"
    )
    print(f"largest reader: {largest:.0f} MiB")
    for reason, count in reasons.most_common(40):
        print(f"{count:7,}  {reason}")
    failures = [e for e in skipped if e["reason"].startswith("reader")]
    for entry in failures[:20]:
        print("!", entry["path"], entry["reason"])
    over_limit = [e for e in skipped if e["reason"].startswith(("took longer", "needs more"))]
    for entry in over_limit[:20]:
        print("?", entry["path"], entry["reason"])
    is_complete = report.files == args.files == report.kept + len(skipped)
    print(
        "every file has one outcome"
        if is_complete and not failures
        else "NOT every outcome is typed"
    )
    sys.exit(0 if is_complete and not failures else 1)


if __name__ == "__main__":
    main()
