"""Every script under examples/ runs, prints its results and writes its files."""

from __future__ import annotations

import ast
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

from musicvae.checkpoints import registry
from musicvae.io import write
from support.songs import chorale_song

EXAMPLES = Path(__file__).parent.parent / "examples"
SHIPPED = registry.shipped_folder()
# Arguments that make a script take seconds; a pattern of its output, with the minimum that so short
# a run must reach; a file that it writes.
RUNS = {
    "train_on_your_folder": (
        ["songs", "2"],
        r"F1 of held-out songs: .* [5-9]\d% now",
        "train/**/new-4.wav",
    ),
    "morph_two_songs": (
        ["songs"],
        r"step-7.mid: similarity 0.\d\d to the first song, 1.00",
        "morph/morph.png",
    ),
    "steer_attributes": (["tune.mid"], r"register \+2: .* deviations", "steer/register-2.mid"),
    "find_odd_bars": (["songs"], r"found [2-4] of 4 corrupted bars", "odd/song0.png"),
    "from_ae_to_vae": (  # with fewer steps nothing is reconstructed
        ["tunes", "30"],
        r"(?: *(?:ae|dae|vae): [1-9]\d*% of the notes reconstructed.*\n.*\n){3}",
        "lesson/random-vae.mid",
    ),
}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the shipped models."""
    return SHIPPED


def test_examples_are_short_and_documented() -> None:
    scripts = {path.stem: path.read_text("utf-8") for path in EXAMPLES.glob("*.py")}
    assert scripts.keys() == RUNS.keys()
    for name, text in scripts.items():
        assert len(text.splitlines()) <= 80, name
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert f"python examples/{name}.py" in docstring and "examples-out/" in docstring
        assert re.search(r"\b[Yy]ou will see\b|\bsee\b", docstring) and re.search(
            r"\bsound|[Hh]ear", docstring
        )
        assert "corpora.export(" in text  # used without arguments


@pytest.fixture
def few_replayed_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample as many windows for replay as two steps can use."""
    monkeypatch.setattr(import_module("musicvae.training.train"), "N_REPLAY_WINDOWS", 256)


@pytest.mark.usefixtures("few_replayed_windows")
@pytest.mark.parametrize("name", RUNS)
def test_example_runs(
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
    arguments, output, written = RUNS[name]
    monkeypatch.setattr("sys.argv", [f"{name}.py", *arguments])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(output, capsys.readouterr().out)
    assert list(Path("examples-out").glob(written))
