"""A self-contained HTML page: headings, tables, pictures and songs that play.

The page requests nothing from anywhere; its content security policy forbids it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.errors import WriteError
from musicvae.harmony import with_chords
from musicvae.io import midi
from musicvae.plots import style
from musicvae.plots.pianoroll import song_summary
from musicvae.plots.themes import DARK, LIGHT, Theme
from musicvae.report.audio import AudioEmbedding, ProgressCallback, embed_audio
from musicvae.report.song_json import song_json
from musicvae.song import Song
from musicvae.storage import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_SUFFIXES = (".html", ".htm")
_FRAME_HEIGHT_PX = 640
_MAX_SVG_CHARACTERS = 400_000  # larger pictures become PNG
_MAX_COLUMNS = 9


class Page:
    """A page built from top to bottom; `html()` returns its text, `save` writes it."""

    def __init__(
        self, title: str, facts: str = "", *, embedding: AudioEmbedding | None = None
    ) -> None:
        """Begin a page with a title; `embedding` limits the audio in it."""
        self.title = style.display_text(title)
        self.embedding = embedding or AudioEmbedding()
        self.body = [f"<h1>{_escape(title)}</h1>"]
        self.text(facts)
        self.n_songs = 0

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: {self.n_songs} songs>"

    def heading(self, text: str) -> None:
        """Add a section heading."""
        self.body.append(f"<h2>{_escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a line of text."""
        if text:
            self.body.append(f'<p class="facts">{_escape(text)}</p>')

    def table(
        self, rows: Sequence[Sequence[Any]], head: Sequence[str] = (), caption: str = ""
    ) -> None:
        """Add a table; numbers are right-aligned. `head` are the column names."""
        if not rows:
            return
        parts = [f"<caption>{_escape(caption)}</caption>"] if caption else []
        if head:
            is_numeric = [all(map(_is_number, column)) for column in zip(*rows, strict=True)]
            cells = "".join(
                f'<th scope="col"{" class=number" * right}>{_escape(name)}</th>'
                for name, right in zip(head, is_numeric, strict=True)
            )
            parts.append(f"<thead><tr>{cells}</tr></thead>")
        lines = ("".join(map(_cell, row)) for row in rows)
        parts.append("<tbody>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</tbody>")
        self.body.append(f'<div class="scroll"><table>{"".join(parts)}</table></div>')

    def picture(self, figure: Callable[[Theme], Figure], alt: str) -> None:
        """Add a picture, drawn by a function of the theme, with `alt` as its description."""
        with style.style_context():
            light, dark = (_figure_uri(figure(theme)) for theme in (LIGHT, DARK))
        self.body.append(
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            f'<img src="{light}" alt="{_escape(alt)}"></picture>'
        )

    def songs(
        self,
        songs: Sequence[Song],
        names: Sequence[str],
        facts: Sequence[str] = (),
        progress: ProgressCallback | None = None,
    ) -> None:
        """Add songs one below the other, each with a player and a piano roll."""
        sounds, failure = embed_audio(songs, self.embedding, progress)
        self._report_missing_audio(songs, sounds, failure)
        facts = list(facts) or [""] * len(songs)
        self.body += [
            self._song_html(song, name, fact, sound)
            for song, name, fact, sound in zip(songs, names, facts, sounds, strict=True)
        ]

    def interpolation(
        self,
        songs: Sequence[Song],
        names: Sequence[str],
        *,
        columns: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Add the songs of an interpolation, with small piano rolls to choose one.

        The rolls are a grid if `columns` is given, else a strip with a slider.
        """
        sounds, failure = embed_audio(songs, self.embedding, progress)
        self._report_missing_audio(songs, sounds, failure)
        steps = "".join(
            f'<button type="button" aria-pressed="false" aria-label="{_escape(name)}">'
            f"<canvas></canvas><span>{_escape(name)}</span></button>"
            for name in names
        )
        width = min(columns or len(songs), _MAX_COLUMNS)
        classes = f"steps columns-{width}" + ("" if columns else " strip")
        slider = ""
        if not columns:
            slider = (
                f'<input class="step-slider" type="range" min="0" max="{len(songs) - 1}" step="1" '
                f'value="0" aria-label="Step from {_escape(names[0])} to {_escape(names[-1])}">'
                f'<div class="step-labels"><span>{_escape(names[0])}</span>'
                f"<span>{_escape(names[-1])}</span></div>"
            )
        players = "".join(
            self._song_html(song, name, "", sound)
            for song, name, sound in zip(songs, names, sounds, strict=True)
        )
        self.body.append(
            f'<section class="interpolation"><div class="chooser" hidden>{slider}'
            f'<div class="{classes}">{steps}</div></div>{players}</section>'
        )

    def html(self, *, cell: bool = False) -> str:
        """Return the text of the page, without a footer for a notebook `cell`."""
        body = "\n".join(self.body)
        css, script = _read_asset("page.css"), _read_asset("player.js")
        policy = (
            "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; "
            f"form-action 'none'; style-src '{_csp_hash(css)}'; script-src '{_csp_hash(script)}'"
        )
        footer = "" if cell else "<footer>Made by musicvae. Space plays and pauses.</footer>"
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<link rel="icon" href="data:,">\n'
            f"<title>{_escape(self.title)}</title>\n<style>{css}</style>\n</head>\n"
            f"<body{' class=cell' if cell else ''}>\n<main>\n{body}\n{footer}</main>\n"
            f"<script>{script}</script>\n</body>\n</html>\n"
        )

    def save(self, path: str | Path) -> Path:
        """Write the page; returns the path. Raises `WriteError`."""
        write_bytes(check_path(path), self.html().encode("utf-8"))
        return Path(path)

    def _repr_html_(self) -> str:
        """Return the page inside a frame, for notebooks."""
        return to_iframe(self)

    def _report_missing_audio(
        self, songs: Sequence[Song], sounds: Sequence[str], failure: str
    ) -> None:
        """Say which songs are played by oscillators, and why."""
        n_silent = sum(
            not sound and song.n_notes > 0 for song, sound in zip(songs, sounds, strict=True)
        )
        if failure:
            self.text(f"Audio could not be rendered ({failure}); songs are played by oscillators.")
        elif n_silent:
            which = "These songs are" if n_silent == len(songs) else f"{n_silent} songs are"
            self.text(f"{which} played by oscillators; the page does not contain their audio.")

    def _song_html(self, song: Song, name: str, facts: str, sound: str) -> str:
        """Return the player of a song, and count it."""
        self.n_songs += 1
        content = song_json(with_chords(song), style.display_text(name))
        legend = "".join(
            f'<li class="{"drums" if part["drum"] else "c" + str(part["color"] % 6)}">'
            f"{_escape(part['name'])}</li>"
            for part in content["parts"]
        )
        data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
        audio = f'<audio controls preload="auto" src="{sound}"></audio>' if sound else ""
        midi_file = base64.b64encode(midi.to_bytes(song)).decode("ascii")
        stem = _escape(f"{style.display_text(name)}.mid".replace("/", "-"))
        summary = f"{song_summary(song)}{' · ' if facts else ''}{facts}"
        n_bars = sum(number > 0 for _, number in content["bars"])
        label = f"Piano roll of {name}: {n_bars} bars, {song.n_notes} notes; click to seek"
        return (
            f'<article class="song"><h3>{_escape(name)}</h3><p class="facts">{_escape(summary)} · '
            f'<a download="{stem}" href="data:audio/midi;base64,{midi_file}">MIDI</a></p>'
            f'{audio}<div class="controls" hidden>'
            f'<button type="button" class="play" aria-label="Play {_escape(name)}">▶</button>'
            f'<input class="seek" type="range" min="0" max="{content["seconds"]}" step="0.01" '
            f'value="0" aria-label="Position in {_escape(name)}, seconds">'
            f'<span class="clock"></span></div><ul class="legend">{legend}</ul>'
            f'<div class="roll"><canvas role="img" aria-label="{_escape(label)}"></canvas>'
            f'<div class="playhead"></div></div>'
            f'<script type="application/json">{data}</script></article>'
        )


def check_path(path: str | Path) -> Path:
    """Return a path for a page. Raises `WriteError` if it does not end in `.html`."""
    if Path(path).suffix.lower() not in PAGE_SUFFIXES:
        raise WriteError(path, "reports are HTML pages", "use a name that ends in .html")
    return Path(path)


def _figure_uri(figure: Figure) -> str:
    """Return a figure as a `data:` URI."""
    text = style.to_svg(figure)
    kind, content = "svg+xml", text.encode()
    if len(text) > _MAX_SVG_CHARACTERS:
        kind, content = "png", style.to_png(figure)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _is_number(value: Any) -> bool:
    """Whether a cell is a number or empty."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    """Return a table cell."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="number">{value:,.3f}</td>' if value == value else "<td></td>"
    return f"<td>{'' if value is None else _escape(str(value))}</td>"


def _escape(text: str) -> str:
    """Return text as one line, escaped for HTML."""
    return html.escape(style.display_text(text))


def _read_asset(name: str) -> str:
    """Return a text file of this package."""
    return (files("musicvae.report") / name).read_text("utf-8")


def _csp_hash(content: str) -> str:
    """Return the hash of an inline script or style for a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")


def to_iframe(page: Page, height: int = _FRAME_HEIGHT_PX) -> str:
    """Return a page inside a sandboxed frame, for notebooks."""
    text = html.escape(page.html(cell=True))
    return (
        f'<iframe title="{html.escape(page.title)}" width="100%" height="{height}" '
        f'sandbox="allow-scripts allow-downloads" frameborder="0" srcdoc="{text}"></iframe>'
    )
