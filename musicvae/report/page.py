"""Floor 10: a page in one file: headings, tables, pictures and songs that play. It asks for
nothing from anywhere, and a policy in its head forbids it to.
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

from musicvae.errors import WriteError, printable
from musicvae.io import midi
from musicvae.plots import style
from musicvae.plots.pianoroll import song_summary
from musicvae.plots.themes import DARK, LIGHT, Theme
from musicvae.report.audio import AudioEmbedding, Progress, embed_audio
from musicvae.report.song_json import song_json
from musicvae.song import Song
from musicvae.storage import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SUFFIXES = (".html", ".htm")
_FRAME_HEIGHT_PX = 640
_MAX_SVG_CHARACTERS = 400_000  # characters; a picture that would be larger is a PNG
_MAX_COLUMNS = 9


class Page:
    """A page that grows from top to bottom. `html()` is its text, `save` writes it."""

    def __init__(self, title: str, facts: str = "", *, embedding: AudioEmbedding | None = None) -> None:
        """Begin with a title; `embedding` says which songs bring their sound with them."""
        self.title = _display_text(title)
        self.embedding = embedding or AudioEmbedding()
        self.body = [f"<h1>{_escape(title)}</h1>"]
        self.text(facts)
        self.n_songs = 0

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: {self.n_songs} songs>"

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.body.append(f"<h2>{_escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A line of facts."""
        if text:
            self.body.append(f'<p class="facts">{_escape(text)}</p>')

    def table(
        self, rows: Sequence[Sequence[Any]], head: Sequence[str] = (), caption: str = ""
    ) -> None:
        """Rows of cells, numbers at the right of theirs."""
        if not rows:
            return
        parts = [f"<caption>{_escape(caption)}</caption>"] if caption else []
        if head:
            numbers = [all(map(_is_number, column)) for column in zip(*rows, strict=True)]
            cells = "".join(
                f'<th scope="col"{" class=number" * right}>{_escape(name)}</th>'
                for name, right in zip(head, numbers, strict=True)
            )
            parts.append(f"<thead><tr>{cells}</tr></thead>")
        lines = ("".join(map(_cell, row)) for row in rows)
        parts.append("<tbody>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</tbody>")
        self.body.append(f'<div class="scroll"><table>{"".join(parts)}</table></div>')

    def picture(self, figure: Callable[[Theme], Figure], alt: str) -> None:
        """A picture that a function draws, on light paper and on dark."""
        with style.style_context():
            light, dark = (_figure_uri(figure(look)) for look in (LIGHT, DARK))
        self.body.append(
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            f'<img src="{light}" alt="{_escape(alt)}"></picture>'
        )

    def songs(
        self,
        songs: Sequence[Song],
        names: Sequence[str],
        facts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Songs one under the other, each with a player and a roll."""
        sounds, trouble = embed_audio(songs, self.embedding, progress)
        self._report_missing_audio(songs, sounds, trouble)
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
        progress: Progress | None = None,
    ) -> None:
        """Songs on a way, small rolls to choose one by; with `columns` those of a grid, else in a
        strip with a slider.
        """
        sounds, trouble = embed_audio(songs, self.embedding, progress)
        self._report_missing_audio(songs, sounds, trouble)
        steps = "".join(
            f'<button type="button" aria-pressed="false" aria-label="{_escape(name)}">'
            f"<canvas></canvas><span>{_escape(name)}</span></button>"
            for name in names
        )
        wide = min(columns or len(songs), _MAX_COLUMNS)
        look = f"steps columns-{wide}" + ("" if columns else " strip")
        slider = ""
        if not columns:
            slider = (
                f'<input class="place" type="range" min="0" max="{len(songs) - 1}" step="1" '
                f'value="0" aria-label="Step from {_escape(names[0])} to {_escape(names[-1])}">'
                f'<div class="ends"><span>{_escape(names[0])}</span>'
                f"<span>{_escape(names[-1])}</span></div>"
            )
        inside = "".join(
            self._song_html(song, name, "", sound)
            for song, name, sound in zip(songs, names, sounds, strict=True)
        )
        self.body.append(
            f'<section class="way"><div class="chooser" hidden>{slider}'
            f'<div class="{look}">{steps}</div></div>{inside}</section>'
        )

    def html(self, *, cell: bool = False) -> str:
        """The whole text; of a `cell` of a notebook without what only a page of its own needs."""
        body = "\n".join(self.body)
        css, script = _read_asset("page.css"), _read_asset("player.js")
        policy = (
            "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; "
            f"form-action 'none'; style-src '{_csp_hash(css)}'; script-src '{_csp_hash(script)}'"
        )
        foot = "" if cell else "<footer>Made by musicvae. Space plays and pauses.</footer>"
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<link rel="icon" href="data:,">\n'
            f"<title>{_escape(self.title)}</title>\n<style>{css}</style>\n</head>\n"
            f"<body{' class=cell' if cell else ''}>\n<main>\n{body}\n{foot}</main>\n"
            f"<script>{script}</script>\n</body>\n</html>\n"
        )

    def save(self, path: str | Path) -> Path:
        """Write the page; returns the path. Raises `WriteError`."""
        write_bytes(check_path(path), self.html().encode("utf-8"))
        return Path(path)

    def _repr_html_(self) -> str:

        return to_iframe(self)

    def _report_missing_audio(self, songs: Sequence[Song], sounds: Sequence[str], trouble: str) -> None:
        silent = sum(
            not sound and song.n_notes > 0 for song, sound in zip(songs, sounds, strict=True)
        )
        if trouble:
            self.text(f"No sound could be made ({trouble}): songs are played by oscillators.")
        elif silent:
            which = "These songs are" if silent == len(songs) else f"{silent} songs are"
            self.text(f"{which} played by oscillators: their sound is not in this page.")

    def _song_html(self, song: Song, name: str, facts: str, sound: str) -> str:
        self.n_songs += 1
        plain = song_json(song, _display_text(name))
        legend = "".join(
            f'<li class="{"drums" if part["drum"] else "c" + str(part["colour"] % 6)}">'
            f"{_escape(part['name'])}</li>"
            for part in plain["parts"]
        )
        data = json.dumps(plain, separators=(",", ":")).replace("<", "\\u003c")
        audio = f'<audio controls preload="auto" src="{sound}"></audio>' if sound else ""
        file = base64.b64encode(midi.to_bytes(song)).decode("ascii")
        stem = _escape(f"{_display_text(name)}.mid".replace("/", "-"))
        words = f"{song_summary(song)}{' · ' if facts else ''}{facts}"
        bars = sum(number > 0 for _, number in plain["bars"])
        label = f"Piano roll of {name}: {bars} bars, {song.n_notes} notes; click to go there"
        return (
            f'<article class="song"><h3>{_escape(name)}</h3><p class="facts">{_escape(words)} · '
            f'<a download="{stem}" href="data:audio/midi;base64,{file}">MIDI</a></p>'
            f'{audio}<div class="controls" hidden>'
            f'<button type="button" class="play" aria-label="Play {_escape(name)}">▶</button>'
            f'<input class="seek" type="range" min="0" max="{plain["seconds"]}" step="0.01" '
            f'value="0" aria-label="Position in {_escape(name)}, seconds">'
            f'<span class="clock"></span></div><ul class="legend">{legend}</ul>'
            f'<div class="roll"><canvas role="img" aria-label="{_escape(label)}"></canvas>'
            f'<div class="head"></div></div>'
            f'<script type="application/json">{data}</script></article>'
        )


def check_path(path: str | Path) -> Path:
    """A path that a page can be written to, or `WriteError`."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise WriteError(path, "a report is a page", "name it so that it ends in .html")
    return Path(path)


def _figure_uri(figure: Figure) -> str:
    """A figure as a `data:` URI."""
    text = style.to_svg(figure)
    kind, content = "svg+xml", text.encode()
    if len(text) > _MAX_SVG_CHARACTERS:
        kind, content = "png", style.to_png(figure)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="number">{value:,.3f}</td>' if value == value else "<td></td>"
    return f"<td>{'' if value is None else _escape(str(value))}</td>"


def _display_text(words: str) -> str:
    return printable(" ".join(words.split()))


def _escape(words: str) -> str:
    return html.escape(_display_text(words))


def _read_asset(name: str) -> str:
    return (files("musicvae.report") / name).read_text("utf-8")


def _csp_hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")


def to_iframe(page: Page, height: int = _FRAME_HEIGHT_PX) -> str:
    """A page as an element for a notebook."""
    text = html.escape(page.html(cell=True))
    return (
        f'<iframe title="{html.escape(page.title)}" width="100%" height="{height}" '
        f'sandbox="allow-scripts allow-downloads" frameborder="0" srcdoc="{text}"></iframe>'
    )
