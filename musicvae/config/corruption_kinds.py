"""Names of the corruptions of a denoising model's input, as presets and options give them.

`musicvae.data.corruption` applies them.
"""

from __future__ import annotations

from musicvae.config.loading import current_corruption, require
from musicvae.config.plugins import is_known, known_names
from musicvae.errors import ConfigError, nearest

CORRUPTIONS = (
    "pitch_substitution",
    "deletion",
    "insertion",
    "onset_jitter",
    "truncation",
    "bar_mask",
    "transcription",
    "part_mask",
    "humanize",
    "tapify",
)
"""All corruption kinds. `humanize` and `tapify` are named after tasks of GrooVAE (Gillick et
al. 2019), whose inputs they make: notes without expression, and taps."""
MIXED = "pitch_substitution+deletion+insertion+onset_jitter+transcription+part_mask"
"""The kinds that `mixed` stands for."""


def corruption_kinds(corruption: str) -> tuple[str, ...]:
    """Return the kinds named by a preset's corruption: none, one, or several joined by `+`."""
    if corruption == "none":
        return ()
    return tuple((MIXED if corruption == "mixed" else corruption).split("+"))


def validate_corruption(corruption: str, objective: str) -> None:
    """Raise `ConfigError` unless a preset's corruption exists and fits its objective."""
    if corruption not in ("auto", "none", "mixed"):
        kinds, names = corruption_kinds(corruption), ("auto", "none", "mixed", *CORRUPTIONS)
        require(
            all(is_known("corruption", kind, CORRUPTIONS) for kind in kinds)
            and len(set(kinds)) == len(kinds),
            "training.corruption",
            f"{known_names('corruption', names)}; or several joined by +",
        )
    require(
        objective != "dae" or corruption != "none",
        "training.corruption",
        "a kind of corruption with training.objective=dae; without any, choose ae",
    )
    require(
        objective != "ae" or corruption in ("auto", "none"),
        "training.corruption",
        "none with training.objective=ae; to train on corrupted input, choose dae",
    )


def parse_corruption_shares(text: str) -> dict[str, float]:
    """Return shares by corruption kind from text such as `onset_jitter=0.2,deletion=0.1`.

    Names of earlier versions are accepted. Raises `ConfigError`.
    """
    shares: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = item.strip().partition("=")
        kind = current_corruption(name)
        if not is_known("corruption", kind, CORRUPTIONS):
            known = ", ".join(CORRUPTIONS)
            raise ConfigError(
                f"unknown corruption {name!r}{nearest(name, CORRUPTIONS)}; there are: {known}"
            )
        try:
            shares[kind] = float(value)
        except ValueError:
            shares[kind] = -1.0
        if not 0 <= shares[kind] <= 1:
            raise ConfigError(
                f"corruption {item.strip()!r}: write it as {name}=0.1, a share of 0 to 1"
            )
    return shares
