"""Safe parsing of MusicXML files.

The bytes are untrusted: the size of an archive is checked before it is unpacked, documents that
declare entities are refused before they are parsed, and nothing is fetched or written.
"""

from __future__ import annotations

import gc
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from musicvae.errors import ReadError
from musicvae.io.limits import MAX_SCORE_BYTES, MAX_SCORE_MEASURES, MAX_SCORE_NOTES

_CONTAINER, _MAX_CONTAINER_BYTES = "META-INF/container.xml", 1 << 16
_EXPORT_HINT = "export it again"
_INDENTATION = re.compile(rb">[ \t\r\n]+<")
# Tags and attributes of a document; a score of `MAX_SCORE_BYTES` has about five million tags.
_MAX_TAGS = 6_000_000
_MAX_ATTRIBUTES = 2_000_000


def parse_score(content: bytes, path: str | Path) -> ElementTree.Element:
    """Parse a score, compressed or not, to a score-partwise tree. Raises `ReadError`."""
    if is_archive(content):
        content = _unzip(content, path)
    root = _parse_document(content, path)
    if root.tag == "score-timewise":
        root = _to_partwise(root)
    if root.tag != "score-partwise":
        tag = str(root.tag)[:40]
        raise ReadError(
            path, f"XML, but not a MusicXML score (its root is <{tag}>)", "give a score"
        )
    _check_size(root, path)
    return root


def is_archive(content: bytes) -> bool:
    """Whether the bytes are a zip archive, as .mxl files are."""
    return content[:4] == b"PK\x03\x04"


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which takes half of the time of building a tree."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# -- archives -------------------------------------------------------------------------------------


def _unzip(content: bytes, path: str | Path) -> bytes:
    """Return the score of a .mxl archive: the one named by its container, else the first."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            name = _rootfile_path(archive, path) if _CONTAINER in names else None
            scores = [n for n in names if n.endswith((".xml", ".musicxml")) and "META-INF" not in n]
            if name not in names:
                name = scores[0] if scores else None
            if name is None:
                raise ReadError(path, "a zip archive without a score", "give a .mxl or .musicxml")
            return _read_member(archive, name, path, MAX_SCORE_BYTES)
    except ReadError:
        raise
    except Exception as error:  # on damage, zipfile raises many types
        raise ReadError(path, f"damaged archive ({error})", _EXPORT_HINT) from None


def _rootfile_path(archive: zipfile.ZipFile, path: str | Path) -> str | None:
    """Return the member of an archive that its container names, None if it is damaged.

    Some programs write the apostrophe of a title into an attribute that it ends.
    """
    container = _read_member(archive, _CONTAINER, path, _MAX_CONTAINER_BYTES)
    try:
        root = _parse_document(container, path)
    except ReadError:
        return None
    found = root.find("{*}rootfiles/{*}rootfile")
    return found.get("full-path") if found is not None else None


def _read_member(archive: zipfile.ZipFile, name: str, path: str | Path, max_bytes: int) -> bytes:
    """Return one member of an archive, unpacking no more than `max_bytes`."""
    if archive.getinfo(name).file_size <= max_bytes:
        with archive.open(name) as file:
            unpacked = file.read(max_bytes + 1)
        if len(unpacked) <= max_bytes:
            return unpacked
    raise _too_large(path, f"more than {max_bytes >> 10} KiB when unpacked")


# -- documents ------------------------------------------------------------------------------------


class _RootReachedError(Exception):
    """Signals that the parser has reached the root element."""


def _parse_document(content: bytes, path: str | Path) -> ElementTree.Element:
    """Parse a document. Raises `ReadError`."""
    if len(content) > MAX_SCORE_BYTES:
        raise _too_large(path, f"more than {MAX_SCORE_BYTES >> 20} MiB")
    if content.count(b"<") > _MAX_TAGS or content.count(b"=") > _MAX_ATTRIBUTES:
        raise _too_large(path, f"more than {_MAX_TAGS} tags or {_MAX_ATTRIBUTES} attributes")
    try:
        _check_prologue(content, path)
        return _parse(content)
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as error:
        raise ReadError(path, f"damaged XML ({error})", _EXPORT_HINT) from None


def _parse(content: bytes) -> ElementTree.Element:
    """Parse a document without its indentation, which takes half of the time."""
    if b"\x00" not in content[:4]:  # not UTF-16, whose characters are pairs of bytes
        with suppress(ElementTree.ParseError):  # else with the position of the error
            return ElementTree.fromstring(_INDENTATION.sub(b"><", content))
    return ElementTree.fromstring(content)


def _check_prologue(content: bytes, path: str | Path) -> None:
    """Refuse entity declarations, which can expand without bounds; no score needs them."""

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
    """Convert score-timewise, measures of parts, to score-partwise, parts of measures."""
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
    """Check the numbers of measures and notes. Raises `ReadError`."""
    measures = [measure for part in root.findall("part") for measure in part.findall("measure")]
    n_measures = len(measures)
    n_notes = sum(len(measure.findall("note")) for measure in measures)
    for count, limit, name in (
        (n_measures, MAX_SCORE_MEASURES, "measures"),
        (n_notes, MAX_SCORE_NOTES, "notes"),
    ):
        if count > limit:
            raise _too_large(path, f"more than {limit} {name}")
    if not n_measures:
        raise ReadError(path, "a score without measures", _EXPORT_HINT)


def _too_large(path: str | Path, reason: str) -> ReadError:
    """Return the error of a file over a limit."""
    return ReadError(path, reason, "split it into pieces")
