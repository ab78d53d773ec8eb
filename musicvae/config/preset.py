"""Floor 1: presets. Frozen dataclasses, loaded from TOML without tolerance for unknown keys.

A preset is everything needed to rebuild a model: grid, parts, model, training. Values come from
the defaults below, then the preset's file, then `--set section.key=value`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from musicvae.config.loading import assign, build, need
from musicvae.config.sections import GridConfig, ModelConfig, PartConfig, PriorConfig
from musicvae.config.training import TrainingConfig
from musicvae.errors import ConfigError, nearest, reason_of


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything needed to rebuild a model."""

    name: str
    description: str = ""
    grid: GridConfig = field(default_factory=GridConfig)
    parts: tuple[PartConfig, ...]
    meters: tuple[str, ...] = ("4/4", "3/4", "2/4", "6/8", "3/2", "2/2", "9/8", "12/8", "3/8")
    """Vocabulary of meters; any other is a meter of its own kind, `other`."""
    default_qpm: float = 100.0
    """Tempo of sampled songs, in quarters a minute."""
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)

    def __post_init__(self) -> None:
        need(len(self.parts) > 0, "parts", "at least one [[parts]]")
        names = [part.name for part in self.parts]
        need(len(set(names)) == len(names), "parts.name", "different for each part")
        need(
            not self.training.kit_mixing or all(part.kind == "drums" for part in self.parts),
            "training.kit_mixing",
            "0 for a preset that has more than drums",
        )
        deaf, decoder = self.model.decoder not in ("list", "flat"), self.model.decoder
        need(
            not (deaf and self.training.hearing_dropout),
            "training.hearing_dropout",
            f"0 with model.decoder={decoder}, which hears no notes; use list or flat",
        )
        need(
            not self.training.scheduled_sampling or decoder == "flat",
            "training.scheduled_sampling",
            f"0 with model.decoder={decoder}; it is for the flat one",
        )

    def meter_id(self, numerator: int, denominator: int) -> int:
        """Index of a meter in the vocabulary, 0 for any other."""
        name = f"{numerator}/{denominator}"
        return self.meters.index(name) + 1 if name in self.meters else 0

    @property
    def repairs(self) -> bool:
        """Whether a model of it mends songs rather than makes new ones."""
        return self.training.objective == "dae"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, from which `preset_from_dict` makes the same preset."""
        return asdict(self)

    def with_settings(self, settings: Iterable[str]) -> Preset:
        """This preset with `section.key=value` assignments. Raises `ConfigError`."""
        data = self.to_dict()
        for setting in settings:
            assign(data, setting)
        return preset_from_dict(data, "--set")


def preset_names() -> tuple[str, ...]:
    """Names of the shipped presets."""
    folder = resources.files("musicvae.config") / "presets"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_preset(name: str | Path) -> Preset:
    """A shipped preset by name, or one from a TOML file. Raises `ConfigError`."""
    if str(name) in preset_names():
        text = (resources.files("musicvae.config") / "presets" / f"{name}.toml").read_text("utf-8")
        return preset_from_dict(tomllib.loads(text), f"preset {name}")
    path = Path(name)
    if path.suffix != ".toml":
        known, near = ", ".join(preset_names()), nearest(str(name), preset_names())
        raise ConfigError(f"no preset named {name!r}{near}; there are: {known}")
    try:
        return preset_from_dict(tomllib.loads(path.read_text("utf-8")), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {reason_of(error)}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); mend it there") from None


def preset_from_dict(data: Mapping[str, Any], source: str) -> Preset:
    """A preset from plain data; unknown keys are errors that name the nearest known one."""
    built: Preset = build(Preset, data, source, "")
    return built
