"""Songs and what is like them in a notebook, by the calls that IPython makes."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from musicvae import load_ipython_extension
from musicvae.errors import DataError
from musicvae.report import notebook
from musicvae.report.notebook import bundle
from musicvae.song import Song
from support.encodings import encoding
from support.small_songs import band, chorale


def test_a_song_has_a_player_and_a_roll_below_a_megabyte() -> None:
    found = bundle(chorale())
    assert set(found) == {"text/plain", "text/html", "image/svg+xml"}
    assert found["image/svg+xml"].startswith("<svg")
    frame = found["text/html"]
    assert frame.startswith("<iframe") and 'sandbox="allow-scripts' in frame
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert page.count("<audio") == 1
    assert sum(map(len, found.values())) < 1_000_000


def test_what_is_told_in_a_terminal_is_short() -> None:
    for thing in (chorale(), band().parts[0], encoding(), Song.new()):
        assert repr(thing).startswith("<") and len(repr(thing)) < 100
    assert repr(chorale().parts[0]) == "<Part 'Soprano': program 52, 33 notes>"


def test_a_path_shows_its_bits() -> None:
    found = bundle(encoding())
    assert {"text/html", "image/svg+xml"} <= set(found)
    assert re.fullmatch(r"<Encoding: 5 windows of 16 latents, [0-9]+ bits>", found["text/plain"])
    points = replace(encoding(), sigma=np.zeros((1, 5, 16), np.float32))
    assert bundle(points)["image/svg+xml"].startswith("<svg")


@pytest.mark.parametrize(
    "song", [Song.new(), Song.new(end_ticks=1920), Song.new([band().parts[2]])]
)
def test_odd_songs_are_shown_too(song: Song) -> None:
    assert "<iframe" in bundle(song)["text/html"]


def test_trouble_in_showing_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def trouble(thing: object) -> dict[str, str]:
        raise DataError("no ink")

    monkeypatch.setitem(notebook._KINDS, "Song", trouble)
    assert bundle(chorale()) == {"text/plain": f"{chorale()!r}  (not shown: no ink)"}


def test_a_song_is_shown_without_torch_and_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; from musicvae import Song; from musicvae.report.notebook import bundle; bundle(Song.new(end_ticks=960));"
        "sys.exit(any(m in sys.modules for m in ('torch', 'music21', 'matplotlib.pyplot')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_in_ipython_itself() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    shell = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    load_ipython_extension(shell)
    data, _ = shell.display_formatter.format(chorale())
    assert "<iframe" in data["text/html"]
