"""Tokens of a line of music."""

from __future__ import annotations

import re

_LENGTH = r"(\d*)(/*)(\d*)"
_NOTE = rf"(?:(\^\^?|__?|=)(\d*/?\d*))?([A-Ga-g])([,']*){_LENGTH}(\.?-)?"

NOTE = re.compile(_NOTE)
"""A note: accidental, microtone, letter, octave marks, length (three groups), tie."""

_JUMP_WORDS = (
    r"(?:d\.? ?[cs]\.?|da ?capo|dal ?segno)(?: ?(?:al(?:la)?|to|till?|until) ?(?:fine?|coda))?\.?"
    r"|(?:to|da|al(?:la)?) ?coda|fine?\.?|coda|segno"
)

MUSIC = re.compile(
    "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in (
            ("note", _NOTE),
            ("space", r"[\s`]+"),
            ("bar", r"\.?(?:\[(?=\|)|[|:]++|(?<=\|)\])++"),
            ("broken", r">+|<+"),
            ("rest", rf"([xz]){_LENGTH}"),
            ("overlay", r"\(&|&\)|&"),
            ("tuplet", r"\(\s*(\d+)(?::(\d*)(?::(\d*))?)?"),
            ("slur", r"\([',]?|\)"),
            ("quoted", r'"(?:[^"\\]++|\\.)*+"?'),
            ("grace", r"\{([^{}|]*)\}"),
            ("field", r"\[([A-Za-z]):([^\]\[]*)\]"),
            (
                "ending",
                r'\[\s*"\d[\d,\s.-]*"(?![^\[\]|]*\])|'
                r"\[\s*\d+(?:\s*[,-]\s*\d+)*\.?|\d+(?:[,-]\d+)*\.?",
            ),
            ("chord", rf'\[((?:[^"\]\[|]++|"[^"]*+")*+)\]{_LENGTH}'),
            ("tie", r"\.?-"),
            ("spacer", r"y\d*/*\d*"),
            ("decoration", r'!([^!\s|\[\]"]{1,40})!'),
            ("phrase", rf"!\s*((?i:{_JUMP_WORDS}))\s*!"),
            ("plus", r'\+([^+\s|\[\]"]{1,40})\+'),
            ("symbol", r"[.~H-Wh-w]"),
            ("measures", r"([ZX])(\d*)"),
            ("ignored", r"[!$*#;?@\\]+"),
            ("unknown", r"."),
        )
    ),
    re.DOTALL,
)
"""A token of music, in the group of its name."""

ANNOTATION = re.compile(r"[\^_<>@]")
"""The start of an annotation; other quoted texts are chord symbols."""

_ALTERNATIVE = re.compile(r"(?<=.)\s*\((?=[A-G])[^()]*\)$")
_DYNAMIC = re.compile(r"p{1,4}|f{1,4}|m[pf]|s?ff?z|sff?|sfpp?|fp|rfz?")
_JUMP = re.compile(rf"(?i:{_JUMP_WORDS})")
_JUMP_BEGINNING = re.compile(r"(?i:d\. ?[cs]\.|da ?capo\b|dal ?segno\b)")
_NOTES = re.compile(r"(?!f*$)(?:(?:\^\^?|__?|=)?[A-Ga-gz][,']*\d*/*\d*-?[<>]*){2,}")
_SIGN_NAMES = {"segno": "segno", "coda": "coda", "fine": "fine", "dacoda": "to coda"}
_SIGN_NAMES |= {"fin": "fine", "alcoda": "to coda", "allacoda": "to coda"}
_SIGN_NAMES |= {"tocoda": "to coda", "dacapo": "da capo", "dc": "da capo"}
_SIGN_NAMES |= {"dalsegno": "dal segno", "ds": "dal segno"}


def is_dynamic(name: str) -> bool:
    """Whether a decoration is a dynamic: ``mf``, ``sfz``."""
    return _DYNAMIC.fullmatch(name) is not None


def parse_sign(text: str) -> str:
    """Return the sign that a decoration or a text stands for, empty if none.

    One of ``"segno"``, ``"coda"``, ``"to coda"``, ``"fine"``, and the jumps ``"da capo"`` and
    ``"dal segno"``, which ``" al fine"`` or ``" al coda"`` may follow.
    """
    plain = "".join(c for c in text.lower() if c.isalpha())
    head, until = plain, ""
    for word, end in (("fine", "fine"), ("fin", "fine"), ("coda", "coda")):
        for joint in ("al", "alla", "to", "til", "till", "until"):
            if plain.endswith(joint + word) and plain.startswith("d"):
                head, until = plain.removesuffix(joint + word), f" al {end}"
    name = _SIGN_NAMES.get(head, "")
    return name + until if name.startswith("da") or not until else ""


def is_jump_text(text: str) -> bool:
    """Whether a text is a sign in words and nothing else: ``"D.C. al Fine"``."""
    return len(text) < 40 and _JUMP.fullmatch(" ".join(text.split())) is not None


def begins_like_jump(text: str) -> bool:
    """Whether a text begins like a jump in words: ``"D.C. twice"``."""
    return _JUMP_BEGINNING.match(text) is not None


def is_notes(text: str) -> bool:
    """Whether a text is notes and nothing else, and no dynamic: ``GABc``."""
    return _NOTES.fullmatch(text) is not None


def chord_symbol(text: str) -> str:
    """Return the first of alternative chord symbols: `G` of ``"G;Em"`` and ``"G(Em)"``."""
    first = re.split(r";|\n|\\n", text.strip())[0].strip()
    return _ALTERNATIVE.sub("", first) or first


def parse_length(numerator: str, slashes: str, denominator: str) -> tuple[int, int]:
    """Return a length such as ``3/2``, ``/`` or ``//`` as numerator and denominator.

    Numbers are cut to what a note can have, 0 becomes 1.
    """
    up = int(numerator[:6] or 1) or 1
    if not slashes:
        return up, 1
    down = int(denominator[:4] or 2) or 1
    return up, min(down << min(len(slashes) - 1, 8), 4096)


def parse_passes(text: str) -> frozenset[int]:
    """Return the passes of an ending: ``"1,3"``, ``"1-3"``; at most 100."""
    passes: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        start = min(int(first[:4]), 100)
        passes.update(range(start, min(int(last[:4] or start), 100) + 1))
    return frozenset(passes - {0})


def parse_bar_line(text: str) -> tuple[int, int, bool] | None:
    """Return the colons before and after a bar line and whether it is double; None if it is none.

    ``"::"`` ends one repeat and begins another.
    """
    core = text.strip(".[]").replace("[", "").replace("]", "")
    is_heavy = "||" in core or re.search(r"[\[\]](?<!\[\|\])(?!\|\])", text) is not None
    if "|" not in core:
        return (len(core) // 2, len(core) // 2, False) if len(core) > 1 else None
    n_end = len(core) - len(core.lstrip(":"))
    n_start = len(core) - len(core.rstrip(":"))
    n_end = n_end or core[: len(core) - n_start].count(":")  # [|]:| with an invisible bar line
    return n_end, n_start, is_heavy
