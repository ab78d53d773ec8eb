"""Decoding of the text of a score, and its limits."""

from __future__ import annotations

from pathlib import Path

from musicvae.errors import ReadError
from musicvae.io.limits import MAX_SCORE_CHARACTERS


def decode_text(content: bytes) -> str:
    """Decode UTF-8, UTF-16 with a byte order mark, or else Latin-1."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def check_length(text: str, path: str | Path) -> None:
    """Check the length of one piece. Raises `ReadError`."""
    if len(text) > MAX_SCORE_CHARACTERS:
        reason = f"more than {MAX_SCORE_CHARACTERS >> 20} MiB of text in one piece"
        raise ReadError(path, reason, "split it into pieces")
