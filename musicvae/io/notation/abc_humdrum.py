"""Floor 3: scores written as text, ABC and Humdrum -> music21 scores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musicvae.errors import ReadError
from musicvae.io.notation.music21_score import Music21Score, suppress_output
from musicvae.io.notation.part import UnsupportedScoreError

_MAX_CHARACTERS = 4 << 20  # of one piece
_TUNE_START = re.compile(r"(?m)^X:\s*\d*")
_VOICE_FIELD = re.compile(r"^\[V:\s*([^\]]*)\]\s*|^V:\s*(.*)$")
_VALID_FIELDS = {
    "L": re.compile(r"\d+/\d+"),
    "M": re.compile(r"none|C\|?|\(?\d+(\+\d+)*\)?/\d+"),
    "Q": re.compile(r'("[^"]*")?\s*((\d+/\d+\s*)+=\s*)?(\d+(\.\d+)?)?\s*("[^"]*")?'),
}
_PROGRAM_DIRECTIVE = re.compile(r"^%%MIDI\s+program\s+(?:\d+\s+)?(\d+)\s*$")


def decode_text(content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or else in Latin letters."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def is_humdrum(text: str) -> bool:
    """Whether a text has the line that begins Humdrum spines."""
    return re.search(r"(?m)^\*\*[a-zA-Z]", text[: 1 << 16]) is not None


def is_abc(text: str) -> bool:
    """Whether a text has a key, or a number, and letters that could be notes."""
    return re.search(r"(?m)^(X:\s*\d|K:\s*\S)", text[: 1 << 16]) is not None


# -- ABC ------------------------------------------------------------------------------------------


def read_abc(text: str, path: str | Path = "<ABC>", *, split_voices: bool = True) -> Music21Score:
    """The first tune of an ABC text; that there are more is a warning.

    `parts`: voices that take turns are parts; else they follow one another, as music21 reads them.
    """
    from music21 import abcFormat

    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, *tunes = _split_tunes(text)
    said = []
    if len(tunes) > 1:
        said.append(f"{len(tunes)} tunes, the first one read; cut the book into files for the rest")
    tune = header + tunes[0] if tunes else header
    _check_length(tune, path)
    voices: list[tuple[str, int | None]] = []
    if split_voices:
        tune, left_out = _drop_invalid_fields(tune)
        said += [f"field that music21 cannot read, left out: {line[:40]}" for line in left_out]
        tune, voices = _group_voices(tune)
    with _patched_music21():
        handler = abcFormat.ABCFile().readstr(tune)
        score = abcFormat.translate.abcToStreamScore(handler)
    if len(voices) != len(score.parts):
        voices = []
    return Music21Score(score=score, kind="ABC", voices=voices, warnings=said)


def _split_tunes(text: str) -> list[str]:
    """The head of a book, of which only fields and directives stay, then its tunes."""
    starts = [match.start() for match in _TUNE_START.finditer(text)]
    if not starts:
        return [text]
    head = "".join(
        line for line in text[: starts[0]].splitlines(True) if re.match(r"[A-Zm]:|%%", line)
    )
    return [head, *(text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True))]


def _drop_invalid_fields(tune: str) -> tuple[str, list[str]]:
    """A tune without the lines for length, meter and tempo over which music21 would stumble."""
    kept: list[str] = []
    left_out: list[str] = []
    for line in tune.splitlines(True):
        rule = _VALID_FIELDS.get(line[0]) if line[1:2] == ":" else None
        value = line[2:].partition("%")[0].strip()
        good = rule is None or (value and rule.fullmatch(value))
        (kept if good else left_out).append(line)
    return "".join(kept), [line.strip() for line in left_out]


def _group_voices(tune: str) -> tuple[str, list[tuple[str, int | None]]]:
    """A tune with its voices one after the other, and their names and programs.

    Voices take turns line by line in ABC; music21 makes a part of every turn. A tune of one voice
    is left as it is.
    """
    lines = tune.splitlines()
    key = next((i for i, line in enumerate(lines) if line.startswith("K:")), -1) + 1
    names: dict[str, str] = {}
    programs: dict[str, int] = {}
    turns: dict[str, list[str]] = {}
    head, current = [], ""
    for i, line in enumerate(lines):
        found = _VOICE_FIELD.match(line)
        if found:
            declared = (found.group(1) or found.group(2) or "").strip()
            current = declared.split()[0] if declared else ""
            named = re.search(r'\b(?:name|nm)="([^"]*)"', declared)
            names[current] = named.group(1) if named else names.get(current, "")
            line = line[found.end() :]
        program = _PROGRAM_DIRECTIVE.match(line)
        if program and int(program.group(1)) < 128:
            programs[current] = int(program.group(1))
        if i < key:
            if not found:
                head.append(line)
        elif line.strip():
            turns.setdefault(current, []).append(line)
    sung = {name: body for name, body in turns.items() if any(map(_has_notes, body))}
    if len(sung) < 2:
        only = next(iter(sung), "")
        default = programs.get(only, programs.get(""))
        known = bool(default is not None or names.get(only))
        return tune, [(names.get(only, ""), default)] if known else []
    written = head
    for number, (name, body) in enumerate(sung.items(), start=1):
        written += [f"V:{number}", *turns.get("", []) * (name != "" and "" not in sung), *body]
    voices = [(names.get(n) or f"Voice {n}", programs.get(n, programs.get(""))) for n in sung]
    return "\n".join(written) + "\n", voices


def _has_notes(line: str) -> bool:
    return not re.match(r"[A-Za-z]:|%", line) and re.search(r"[A-Ga-gzZxX]", line) is not None


@contextmanager
def _patched_music21() -> Iterator[None]:
    """Have music21 see the bars of short tunes too, and spare it beams.

    It wants two plain bar lines before it believes in measures. Beams are more than half of the
    time it takes over a tune, and change no note.
    """
    from music21 import abcFormat, stream

    def has_bars(handler: Any) -> bool:
        return any(isinstance(token, abcFormat.ABCBar) for token in handler.tokens)

    known = abcFormat.ABCHandler.definesMeasures
    abcFormat.ABCHandler.definesMeasures = has_bars
    stream.Part.makeBeams = lambda *args, **kwargs: None
    try:
        yield
    finally:
        del stream.Part.makeBeams
        abcFormat.ABCHandler.definesMeasures = known


# -- Humdrum --------------------------------------------------------------------------------------


def read_humdrum(text: str, path: str | Path = "<Humdrum>") -> Music21Score:
    """A Humdrum file; of several pieces in it the first one."""
    from music21.humdrum.spineParser import HumdrumDataCollection

    _check_length(text, path)
    with suppress_output() as said:
        collection = HumdrumDataCollection(text)
        collection.parse()
    score, warnings = collection.stream, []
    if "Opus" in score.classSet:
        scores = list(score.scores)
        warnings.append(f"{len(scores)} pieces, the first one read; cut the file for the rest")
        score = scores[0]
    if lost := said.getvalue().count("Error in parsing event"):
        warnings.append(f"cells that music21 cannot read, left out: {lost}")
    for staff in list(score.parts):
        if not staff.recurse().notes:
            score.remove(staff)
    if not score.parts:
        raise UnsupportedScoreError("no notes")
    return Music21Score(score=score, kind="Humdrum", warnings=warnings)


def instrument_group(staff: Any) -> str:
    """What the staves of one instrument have in common in Humdrum, empty if nothing."""
    for tandem in staff.recurse().getElementsByClass("MiscTandem"):
        if re.fullmatch(r"\*part\d+", tandem.tandem):
            return str(tandem.tandem)
    return ""


def _check_length(text: str, path: str | Path) -> None:
    if len(text) > _MAX_CHARACTERS:
        reason = f"more than {_MAX_CHARACTERS >> 20} MiB of text in one piece"
        raise ReadError(path, reason, "split it into pieces")
