"""Floor 3: the bytes of a MusicXML file -> a music21 score of what sounds in it, safely.

The bytes are untrusted: an archive is measured before it is unpacked, a document that declares
entities is refused before it is parsed, nothing is fetched or written.
"""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from musicvae.errors import ReadError
from musicvae.io.notation import musicxml_notes
from musicvae.io.notation.music21_score import Music21Score

_MAX_BYTES = 64 << 20  # of a score unpacked; an orchestral movement has about 20 MiB
_MAX_MEASURES = 200_000  # of all parts together
_MAX_NOTES = 500_000
_CONTAINER = "META-INF/container.xml"
_EXPORT_HINT = "export it again"


def read_musicxml(content: bytes, path: str | Path, *, merge: bool) -> Music21Score:
    """A MusicXML document or a compressed one. Raises `ReadError`.

    `merge`: the staves of one instrument are one part.
    """
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    zipped = content[:4] == b"PK\x03\x04"
    if zipped:
        content = _unzip(content, path)
    root = _parse_document(content, path)
    plain = musicxml_notes.reduce_to_notes(root, merge=merge)
    importer = MusicXMLImporter()
    importer.xmlRoot = root
    importer.xmlRootToScore(root, importer.stream)
    return Music21Score(
        score=importer.stream,
        kind="compressed MusicXML" if zipped else "MusicXML",
        drum_part_ids=frozenset(plain.drum_part_ids),
        n_grace_notes=plain.n_grace_notes,
        warnings=plain.warnings(),
    )


# -- archives -------------------------------------------------------------------------------------


def _unzip(content: bytes, path: str | Path) -> bytes:
    """The score inside a .mxl archive: the one its container names, else the first there is."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            name = _rootfile_path(archive, path) if _CONTAINER in names else None
            scores = [n for n in names if n.endswith((".xml", ".musicxml")) and "META-INF" not in n]
            if name not in names:
                name = scores[0] if scores else None
            if name is None:
                raise ReadError(path, "a zip archive without a score", "give a .mxl or .musicxml")
            return _read_member(archive, name, path, _MAX_BYTES)
    except ReadError:
        raise
    except Exception as error:  # zipfile raises whatever the damage leads it to
        raise ReadError(path, f"damaged archive ({error})", _EXPORT_HINT) from None


def _rootfile_path(archive: zipfile.ZipFile, path: str | Path) -> str | None:
    root = _parse_document(_read_member(archive, _CONTAINER, path, 1 << 16), path, kinds=None)
    found = root.find("{*}rootfiles/{*}rootfile")
    return found.get("full-path") if found is not None else None


def _read_member(archive: zipfile.ZipFile, name: str, path: str | Path, max_bytes: int) -> bytes:
    """One file of an archive, of which no more than `most` bytes are ever unpacked."""
    if archive.getinfo(name).file_size <= max_bytes:
        with archive.open(name) as file:
            unpacked = file.read(max_bytes + 1)
        if len(unpacked) <= max_bytes:
            return unpacked
    raise _too_large(path, f"more than {max_bytes >> 10} KiB when unpacked")


# -- documents ------------------------------------------------------------------------------------


class _RootReachedError(Exception):
    """The root element has begun: what precedes it is harmless."""


def _parse_document(
    content: bytes, path: str | Path, kinds: tuple[str, ...] | None = ("partwise", "timewise")
) -> ElementTree.Element:
    """The tree of a document, with parts outside and measures inside. Raises `ReadError`."""
    if len(content) > _MAX_BYTES:
        raise _too_large(path, f"more than {_MAX_BYTES >> 20} MiB")
    try:
        _check_prologue(content, path)
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as error:
        raise ReadError(path, f"damaged XML ({error})", _EXPORT_HINT) from None
    if kinds is None:
        return root
    if root.tag == "score-timewise":
        root = _to_partwise(root)
    if root.tag != "score-partwise":
        tag = str(root.tag)[:40]
        raise ReadError(path, f"XML, but no MusicXML score (it holds <{tag}>)", "give a score")
    _check_size(root, path)
    return root


def _check_prologue(content: bytes, path: str | Path) -> None:
    """Refuse declarations of entities: no score needs them, and they can grow without bounds."""

    def refuse(*_: Any) -> NoReturn:
        raise ReadError(path, "XML that declares entities", "remove them, or export it again")

    def stop(*_: Any) -> NoReturn:
        raise _RootReachedError

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = stop
    with suppress(_RootReachedError):
        parser.Parse(content, True)


def _to_partwise(timewise: ElementTree.Element) -> ElementTree.Element:
    """A score of measures that hold parts as a score of parts that hold measures."""
    root = ElementTree.Element("score-partwise")
    root.extend(child for child in timewise if child.tag != "measure")
    parts: dict[str, ElementTree.Element] = {}
    for measure in timewise.findall("measure"):
        for part in measure.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ElementTree.SubElement(root, "part", id=name)
            part.tag, part.attrib = "measure", dict(measure.attrib)
            parts[name].append(part)
    return root


def _check_size(root: ElementTree.Element, path: str | Path) -> None:
    measures = sum(len(part.findall("measure")) for part in root.findall("part"))
    notes = sum(1 for _ in root.iter("note"))
    for count, most, what in (
        (measures, _MAX_MEASURES, "measures"),
        (notes, _MAX_NOTES, "notes"),
    ):
        if count > most:
            raise _too_large(path, f"more than {most} {what}")
    if not measures:
        raise ReadError(path, "a score without measures", "export it again")


def _too_large(path: str | Path, reason: str) -> ReadError:
    return ReadError(path, reason, "split it into pieces")
