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
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.parsers import expat

from musicvae.errors import ReadError
from musicvae.io.limits import MAX_SCORE_BYTES, MAX_SCORE_MEASURES, MAX_SCORE_NOTES

_CONTAINER, _MAX_CONTAINER_BYTES = "META-INF/container.xml", 1 << 16
_EXPORT_HINT = "export it again"
_INDENTATION = re.compile(rb">[ \t\r\n]+<")
_SPACE = b" \t\r\n"
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.-]{1,40})["']""")
# Encodings that the parser does not know, but Python does.
_MULTIBYTE = re.compile(
    r"shift[_-]?jisx?|x-sjis|sjis|windows-31j|cp9\d\d|euc[_-]\w+|gbk?|gb2312|gb18030|big5|iso-2022-\w+",
    re.IGNORECASE,
)
_SCORE_ROOT = re.compile(rb"<(?:[\w.-]{1,40}:)?score-(?:partwise|timewise)\b")
_HEAD_BYTES = 1 << 16  # of a member of an archive, where a score shows its root
_MAX_MEMBERS = 32  # of an archive that are looked into
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
            candidates = _score_members(archive, path)
            if not candidates:
                raise ReadError(path, "a zip archive without a score", "give a .mxl or .musicxml")
            name = candidates[0]
            if len(candidates) > 1:
                name = next((n for n in candidates if _begins_with_score(archive, n)), name)
            return _read_member(archive, name, path, MAX_SCORE_BYTES)
    except ReadError:
        raise
    except Exception as error:  # on damage, zipfile raises many types
        raise ReadError(path, f"damaged archive ({error})", _EXPORT_HINT) from None


def _score_members(archive: zipfile.ZipFile, path: str | Path) -> list[str]:
    """Return the members of an archive that may be its score: those its container names first.

    Names are compared as paths, without case. Files of the system that made the archive are left
    out (``__MACOSX/._a.xml``).
    """
    names = [
        name
        for name in archive.namelist()
        if name[-1:] not in ("", "/") and not re.search(r"(^|/)(__MACOSX/|\.)", name)
    ]
    containers = [name for name in names if name.lower().endswith(_CONTAINER.lower())]
    by_path = {_plain_path(name): name for name in reversed(names)}
    named: list[str] = []
    if containers:
        paths = _rootfile_paths(archive, containers[0], path)
        folder = containers[0][: -len(_CONTAINER)]
        for text in (form for full in paths for form in (full, unquote(full))):
            found = by_path.get(_plain_path(text)) or by_path.get(_plain_path(folder + text))
            named += [found] if found else []
    others = [name for name in names if "meta-inf/" not in name.lower()]
    scores = [name for name in others if name.lower().endswith((".xml", ".musicxml"))]
    unnamed = [name for name in others if "." not in name.rpartition("/")[2] and name != "mimetype"]
    return list(dict.fromkeys([*named, *scores, *unnamed]))[:_MAX_MEMBERS]


def _plain_path(name: str) -> str:
    """Return the path of a member in one form, in lower case."""
    return re.sub(r"^(\./|/)+", "", name.replace("\\", "/")).lower()


def _begins_with_score(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether a member of an archive is a score by its beginning."""
    with archive.open(name) as file:
        return _SCORE_ROOT.search(file.read(_HEAD_BYTES).replace(b"\0", b"")) is not None


def _rootfile_paths(archive: zipfile.ZipFile, container_name: str, path: str | Path) -> list[str]:
    """Return the members of an archive that its container names, none if it is damaged.

    Some programs write the apostrophe of a title into an attribute that it ends.
    """
    container = _read_member(archive, container_name, path, _MAX_CONTAINER_BYTES)
    try:
        root = _parse_document(container, path)
    except ReadError:
        return []
    found = (rootfile.get("full-path") for rootfile in root.iterfind("rootfiles/rootfile"))
    return [full for full in found if full]


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
    if b"\0" not in content[:4]:  # not UTF-16, whose characters are pairs of bytes
        content = content.strip(_SPACE + b"\0\x1a")
    try:
        try:
            root = _parse(content, path)
        except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError):
            decoded = _decode(content)
            if decoded is None:
                raise
            root = _parse(decoded, path, encoding="utf-8")
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as error:
        raise ReadError(path, f"damaged XML ({error})", _EXPORT_HINT) from None
    if str(root.tag)[:1] == "{":
        for element in root.iter():
            element.tag = str(element.tag).rpartition("}")[2]
    return root


def _decode(content: bytes) -> bytes | None:
    """Return a document in UTF-8, of an encoding that is wrongly declared or unknown to the parser.

    None if its encoding is not the error.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace").encode()
    declared = _DECLARED.match(content.removeprefix(b"\xef\xbb\xbf"))
    name = declared[1].decode() if declared else ""
    if _MULTIBYTE.fullmatch(name):
        return content.decode(name, errors="replace").encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        if name.lower() in ("", "utf-8", "utf8", "us-ascii", "ascii"):
            return content.decode("cp1252", errors="replace").encode()
        return None
    return None if name.lower() in ("", "utf-8") else content


def _parse(content: bytes, path: str | Path, encoding: str | None = None) -> ElementTree.Element:
    """Parse a document without its indentation, which takes half of the time.

    `encoding` replaces the declared one.
    """
    _check_prologue(content, path, encoding)
    if b"\0" not in content[:4]:
        with suppress(ElementTree.ParseError):  # else with the position of the error
            parser = ElementTree.XMLParser(encoding=encoding)
            return ElementTree.fromstring(_INDENTATION.sub(b"><", content), parser)
    return ElementTree.fromstring(content, ElementTree.XMLParser(encoding=encoding))


def _check_prologue(content: bytes, path: str | Path, encoding: str | None) -> None:
    """Refuse entity declarations, which can expand without bounds; no score needs them."""

    def refuse(*_: Any) -> NoReturn:
        raise ReadError(path, "XML that declares entities", "remove them, or export it again")

    def stop(*_: Any) -> NoReturn:
        raise _RootReachedError

    parser = expat.ParserCreate(encoding)
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
