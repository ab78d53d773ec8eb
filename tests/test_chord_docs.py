"""The vocabulary in docs/chords.md is that of the package."""

from __future__ import annotations

from pathlib import Path

from musicvae.chords import QUALITIES


def test_the_documented_vocabulary_is_the_one_in_use() -> None:
    page = (Path(__file__).parent.parent / "docs" / "chords.md").read_text("utf-8")
    rows = [
        f"| `{'C:' * bool(q.degrees)}{q.harte}` | `{'C' * bool(q.degrees)}{q.symbol}` "
        f"| {' '.join(q.degrees) or 'no chord'} |"
        for q in QUALITIES
    ]
    table = page.split("| Harte | symbol | degrees |\n|---|---|---|\n")[1]
    assert table.split("\n\n")[0].splitlines() == rows
