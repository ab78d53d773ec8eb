"""Floor 1: the names of what may be wrong with notes; `corruptions` does it, presets name it."""

from __future__ import annotations

from musicvae.strict import need

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
