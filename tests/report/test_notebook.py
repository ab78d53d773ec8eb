"""Notebook display of songs, encodings and reports, by the calls that IPython makes."""

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
from musicvae.report.notebook import mime_bundle
from musicvae.song import Song
from support.encodings import make_encoding
from support.songs import small_band, small_chorale


def test_song_bundle_has_player_and_roll_below_a_megabyte() -> None:
    found = mime_bundle(small_chorale())
    assert set(found) == {"text/plain", "text/html", "image/svg+xml"}
    assert found["image/svg+xml"].startswith("<svg")
    frame = found["text/html"]
    assert frame.startswith("<iframe") and 'sandbox="allow-scripts' in frame
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert page.count("<audio") == 1
    assert sum(map(len, found.values())) < 1_000_000


def test_reprs_are_short() -> None:
    for value in (small_chorale(), small_band().parts[0], make_encoding(), Song.new()):
        assert repr(value).startswith("<") and len(repr(value)) < 100
    assert repr(small_chorale().parts[0]) == "<Part 'Soprano': program 52, 33 notes>"


def test_encoding_bundle() -> None:
    found = mime_bundle(make_encoding())
    assert {"text/html", "image/svg+xml"} <= set(found)
    assert re.fullmatch(r"<Encoding: 5 windows of 16 latents, [0-9]+ bits>", found["text/plain"])
    points = replace(make_encoding(), sigma=np.zeros((1, 5, 16), np.float32))
    assert mime_bundle(points)["image/svg+xml"].startswith("<svg")


@pytest.mark.parametrize(
    "song", [Song.new(), Song.new(end_ticks=1920), Song.new([small_band().parts[2]])]
)
def test_empty_and_drum_songs_are_shown(song: Song) -> None:
    assert "<iframe" in mime_bundle(song)["text/html"]


def test_failures_fall_back_to_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(value: object) -> dict[str, str]:
        raise DataError("no ink")

    monkeypatch.setitem(notebook._RENDERERS, "Song", fail)
    assert mime_bundle(small_chorale()) == {
        "text/plain": f"{small_chorale()!r}  (not shown: no ink)"
    }


def test_song_is_shown_without_torch_and_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; from musicvae import Song; from musicvae.report.notebook import mime_bundle;"
        "mime_bundle(Song.new(end_ticks=960));"
        "sys.exit(any(m in sys.modules for m in ('torch', 'music21', 'matplotlib.pyplot')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ipython_formatter() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    shell = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    load_ipython_extension(shell)
    data, _ = shell.display_formatter.format(small_chorale())
    assert "<iframe" in data["text/html"]
