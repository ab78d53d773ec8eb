"""Reading of ABC and Humdrum text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from musicvae.errors import ReadError
from musicvae.io.limits import MAX_SCORE_CHARACTERS
from musicvae.io.notation.music21_score import Music21Score, suppress_output
from musicvae.io.notation.part import UnsupportedScoreError

_TUNE_START = re.compile(r"(?m)^X:\s*\d*")
_VOICE_FIELD = re.compile(r"^\[V:\s*([^\]]*)\]\s*|^V:\s*(.*)$")
_VALID_FIELDS = {
    "L": re.compile(r"\d+/\d+"),
    "M": re.compile(r"none|C\|?|\(?\d+(\+\d+)*\)?/\d+"),
    "Q": re.compile(r'("[^"]*")?\s*((\d+/\d+\s*)+=\s*)?(\d+(\.\d+)?)?\s*("[^"]*")?'),
}
_PROGRAM_DIRECTIVE = re.compile(r"^%%MIDI\s+program\s+(?:\d+\s+)?(\d+)\s*$")


def decode_text(content: bytes) -> str:
    """Decode UTF-8, UTF-16 with a byte order mark, or else Latin-1."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


# -- ABC ------------------------------------------------------------------------------------------


def read_abc(text: str, path: str | Path = "<ABC>", *, split_voices: bool = True) -> Music21Score:
    """Read the first tune of an ABC text; further ones give a warning.

    If `split_voices`, interleaved voices become parts; else they follow one another, as music21
    reads them.
    """
    from music21 import abcFormat

    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, *tunes = _split_tunes(text)
    warnings = []
    if len(tunes) > 1:
        warnings.append(f"{len(tunes)} tunes, only the first is read; split the book into files")
    tune = header + tunes[0] if tunes else header
    _check_length(tune, path)
    instruments: list[tuple[str, int | None]] = []
    if split_voices:
        tune, dropped = _drop_invalid_fields(tune)
        warnings += [f"field that music21 cannot read, dropped: {line[:40]}" for line in dropped]
        tune, instruments = _group_voices(tune)
    with _patched_music21():
        handler = abcFormat.ABCFile().readstr(tune)
        score = abcFormat.translate.abcToStreamScore(handler)
    if len(instruments) != len(score.parts):
        instruments = []
    return Music21Score(score=score, kind="ABC", instruments=instruments, warnings=warnings)


def _split_tunes(text: str) -> list[str]:
    """Return the header of a book, reduced to fields and directives, and its tunes."""
    starts = [match.start() for match in _TUNE_START.finditer(text)]
    if not starts:
        return [text]
    header = "".join(
        line for line in text[: starts[0]].splitlines(True) if re.match(r"[A-Zm]:|%%", line)
    )
    return [header, *(text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True))]


def _drop_invalid_fields(tune: str) -> tuple[str, list[str]]:
    """Return a tune without length, meter and tempo fields that music21 cannot read, and these."""
    kept: list[str] = []
    dropped: list[str] = []
    for line in tune.splitlines(True):
        rule = _VALID_FIELDS.get(line[0]) if line[1:2] == ":" else None
        value = line[2:].partition("%")[0].strip()
        is_valid = rule is None or (value and rule.fullmatch(value))
        (kept if is_valid else dropped).append(line)
    return "".join(kept), [line.strip() for line in dropped]


def _group_voices(tune: str) -> tuple[str, list[tuple[str, int | None]]]:
    """Return a tune with its voices one after the other, and their names and programs.

    Voices of ABC may alternate from line to line, and music21 makes a part of every turn. Tunes
    with a single voice are returned unchanged.
    """
    lines = tune.splitlines()
    body_start = next((i for i, line in enumerate(lines) if line.startswith("K:")), -1) + 1
    names: dict[str, str] = {}
    programs: dict[str, int] = {}
    lines_by_voice: dict[str, list[str]] = {}
    header, voice = [], ""
    for i, line in enumerate(lines):
        voice_field = _VOICE_FIELD.match(line)
        if voice_field:
            declaration = (voice_field.group(1) or voice_field.group(2) or "").strip()
            voice = declaration.split()[0] if declaration else ""
            named = re.search(r'\b(?:name|nm)="([^"]*)"', declaration)
            names[voice] = named.group(1) if named else names.get(voice, "")
            line = line[voice_field.end() :]
        program = _PROGRAM_DIRECTIVE.match(line)
        if program and int(program.group(1)) < 128:
            programs[voice] = int(program.group(1))
        if i < body_start:
            if not voice_field:
                header.append(line)
        elif line.strip():
            lines_by_voice.setdefault(voice, []).append(line)
    voices = {name: body for name, body in lines_by_voice.items() if any(map(_has_notes, body))}
    if len(voices) < 2:
        only = next(iter(voices), "")
        default = programs.get(only, programs.get(""))
        is_named = bool(default is not None or names.get(only))
        return tune, [(names.get(only, ""), default)] if is_named else []
    common = lines_by_voice.get("", []) if "" not in voices else []
    written = header
    for number, body in enumerate(voices.values(), start=1):
        written += [f"V:{number}", *common, *body]
    instruments = [
        (names.get(name) or f"Voice {name}", programs.get(name, programs.get("")))
        for name in voices
    ]
    return "\n".join(written) + "\n", instruments


def _has_notes(line: str) -> bool:
    """Whether a line of a tune has notes or rests."""
    return not re.match(r"[A-Za-z]:|%", line) and re.search(r"[A-Ga-gzZxX]", line) is not None


@contextmanager
def _patched_music21() -> Iterator[None]:
    """Patch music21 to find measures in tunes with a single bar line, and to skip beams.

    Unpatched, it requires two plain bar lines. Beams take more than half of the time and do not
    change notes.
    """
    from music21 import abcFormat, stream

    def has_bars(handler: Any) -> bool:
        return any(isinstance(token, abcFormat.ABCBar) for token in handler.tokens)

    original = abcFormat.ABCHandler.definesMeasures
    abcFormat.ABCHandler.definesMeasures = has_bars
    stream.Part.makeBeams = lambda *args, **kwargs: None
    try:
        yield
    finally:
        del stream.Part.makeBeams
        abcFormat.ABCHandler.definesMeasures = original


# -- Humdrum --------------------------------------------------------------------------------------


def read_humdrum(text: str, path: str | Path = "<Humdrum>") -> Music21Score:
    """Read a Humdrum text; of several pieces, the first."""
    from music21.humdrum.spineParser import HumdrumDataCollection

    _check_length(text, path)
    with suppress_output() as output:
        collection = HumdrumDataCollection(text)
        collection.parse()
    score, warnings = collection.stream, []
    if "Opus" in score.classSet:
        scores = list(score.scores)
        warnings.append(f"{len(scores)} pieces, only the first is read; split the file")
        score = scores[0]
    if n_unreadable := output.getvalue().count("Error in parsing event"):
        warnings.append(f"tokens that music21 cannot read, dropped: {n_unreadable}")
    for staff in list(score.parts):
        if not staff.recurse().notes:
            score.remove(staff)
    if not score.parts:
        raise UnsupportedScoreError("no notes")
    return Music21Score(score=score, kind="Humdrum", warnings=warnings)


def instrument_group(staff: Any) -> str:
    """Return the Humdrum part number shared by the staves of an instrument, empty if none."""
    for tandem in staff.recurse().getElementsByClass("MiscTandem"):
        if re.fullmatch(r"\*part\d+", tandem.tandem):
            return str(tandem.tandem)
    return ""


def _check_length(text: str, path: str | Path) -> None:
    """Check the length of one piece. Raises `ReadError`."""
    if len(text) > MAX_SCORE_CHARACTERS:
        reason = f"more than {MAX_SCORE_CHARACTERS >> 20} MiB of text in one piece"
        raise ReadError(path, reason, "split it into pieces")
