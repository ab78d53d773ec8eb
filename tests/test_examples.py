"""Every script under examples/ runs, says what it found, and leaves what it promises."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

from musicvae.checkpoints import registry
from musicvae.io import write
from support.songs import chorale_song

EXAMPLES = Path(__file__).parent.parent / "examples"
SHIPPED = registry.shipped_folder()
# What a script is run with, so that all of them take seconds; what it says, with the least
# that so short a run must reach; what it leaves.
RUNS = {
    "train_on_your_folder": (
        ["songs", "2"],
        r"of the notes of held-out songs .* [5-9]\d% do now",
        "train/**/new-4.wav",
    ),
    "morph_two_songs": (
        ["songs"],
        r"step-7.mid: 0.\d\d like the first song, 1.00",
        "morph/morph.png",
    ),
    "steer_attributes": (["tune.mid"], r"register \+2: .* deviations", "steer/register-2.mid"),
    "find_odd_bars": (["songs"], r"found [2-4] of 4 spoilt bars", "odd/song0.png"),
    "from_ae_to_vae": (  # fewer steps bring nothing back
        ["tunes", "30"],
        r"(?: *(?:ae|dae|vae): [1-9]\d*% of notes come back.*\n){3}",
        "lesson/random-vae.mid",
    ),
}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Here the models that ship are there."""
    return SHIPPED


def test_every_example_is_run_and_short() -> None:
    scripts = {path.stem: path.read_text("utf-8") for path in EXAMPLES.glob("*.py")}
    assert scripts.keys() == RUNS.keys()
    for name, text in scripts.items():
        assert len(text.splitlines()) <= 60, name
        told = ast.get_docstring(ast.parse(text)) or ""
        assert f"python examples/{name}.py" in told and "examples-out/" in told
        assert re.search(r"\b[Yy]ou will see\b|\bsee\b", told) and re.search(
            r"\bsound|[Hh]ear", told
        )
        assert "corpora.export(" in text  # what is used without arguments


@pytest.mark.parametrize("name", RUNS)
def test_an_example_does_what_it_says(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for nth in range(4):
        song = chorale_song(bars=6, seed=nth)
        write(song, f"songs/song{nth}.mid")
        tune = type(song).new(song.parts[:1], end_ticks=song.end_ticks)
        for path in (f"tunes/tune{nth}.mid", "tune.mid"):
            write(tune, path)
    words, said, left = RUNS[name]
    monkeypatch.setattr("sys.argv", [f"{name}.py", *words])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(said, capsys.readouterr().out)
    assert list(Path("examples-out").glob(left))
