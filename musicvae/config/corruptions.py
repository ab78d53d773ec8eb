"""Floor 1: the names of what may be wrong with notes; `corruptions` does it, presets name it."""

from __future__ import annotations

from musicvae.config.loading import need
from musicvae.errors import ConfigError, nearest

CORRUPTIONS = (
    "wrong",
    "dropped",
    "added",
    "jitter",
    "cut",
    "masked",
    "transcription",
    "hidden",
    "flat",
    "tapped",
)
"""Every corruption there is."""
MIXED = "wrong+dropped+added+jitter+transcription+hidden"
"""What `mixed` is short for."""


def kinds_in(corruption: str) -> tuple[str, ...]:
    """The kinds that a preset's corruption names: none, one, or several joined by `+`."""
    if corruption == "none":
        return ()
    return tuple((MIXED if corruption == "mixed" else corruption).split("+"))


def checked(corruption: str, objective: str) -> None:
    """Raise `ConfigError` unless a preset's corruption exists and goes with its objective."""
    if corruption not in ("auto", "none", "mixed"):
        kinds = kinds_in(corruption)
        need(
            set(kinds) <= set(CORRUPTIONS) and len(set(kinds)) == len(kinds),
            "training.corruption",
            f"one of auto, none, mixed, {', '.join(CORRUPTIONS)}, or several joined by +",
        )
    need(
        objective != "dae" or corruption != "none",
        "training.corruption",
        "a kind of noise where the objective is dae; without any, choose ae",
    )
    need(
        objective != "ae" or corruption in ("auto", "none"),
        "training.corruption",
        "none where the objective is ae; with one, choose dae",
    )


def expected(words: str) -> dict[str, float]:
    """Damage by name from words such as `jitter=0.2,dropped=0.1`. Raises `ConfigError`."""
    found: dict[str, float] = {}
    for word in words.split(","):
        kind, _, share = word.strip().partition("=")
        if kind not in CORRUPTIONS:
            known = ", ".join(CORRUPTIONS)
            raise ConfigError(f"damage {kind!r}{nearest(kind, CORRUPTIONS)}; there are: {known}")
        try:
            found[kind] = float(share)
        except ValueError:
            found[kind] = -1.0
        if not 0 <= found[kind] <= 1:
            raise ConfigError(f"damage {word.strip()!r}: write it as {kind}=0.1, a share of 0 to 1")
    return found
