"""Presets: everything needed to rebuild a model, loaded from TOML.

A preset combines grid, parts, model, training and prior. Values come from the defaults of the
dataclasses, then the preset's file, then `--set section.key=value`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from musicvae.config.loading import apply_setting, build_dataclass, require, upgrade_preset
from musicvae.config.sections import (
    ConditionsConfig,
    GridConfig,
    ModelConfig,
    PartConfig,
    PriorConfig,
)
from musicvae.config.size_limits import MAX_METERS, MAX_PARTS, MAX_QPM
from musicvae.config.training import TrainingConfig
from musicvae.errors import ConfigError, is_file_name, nearest, os_reason


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Configuration of a model and of its training. Raises `ConfigError` for invalid values."""

    name: str
    description: str = ""
    grid: GridConfig = field(default_factory=GridConfig)
    parts: tuple[PartConfig, ...]
    meters: tuple[str, ...] = ("4/4", "3/4", "2/4", "6/8", "3/2", "2/2", "9/8", "12/8", "3/8")
    """Vocabulary of meters; all others share the index 0."""
    default_qpm: float = 100.0
    """Tempo of sampled songs in quarters per minute."""
    model: ModelConfig = field(default_factory=ModelConfig)
    conditions: ConditionsConfig = field(default_factory=ConditionsConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)

    def __post_init__(self) -> None:
        require(is_file_name(self.name), "name", "a name for a folder, without path or signs")
        require(len(self.parts) > 0, "parts", "at least one [[parts]]")
        require(1 <= self.default_qpm <= MAX_QPM, "default_qpm", f"1 to {MAX_QPM}")
        require(len(self.parts) <= MAX_PARTS, "parts", f"at most {MAX_PARTS} [[parts]]")
        require(len(self.meters) <= MAX_METERS, "meters", f"at most {MAX_METERS}")
        require(
            len(self.parts) == 1 or all(part.kind != "any" for part in self.parts),
            "parts.kind",
            "any only for the single part of a preset",
        )
        names = [part.name for part in self.parts]
        require(len(set(names)) == len(names), "parts.name", "different for each part")
        require(
            not self.training.drum_mix_share or all(part.kind == "drums" for part in self.parts),
            "training.drum_mix_share",
            "0 for a preset with parts other than drums",
        )
        decoder = self.model.decoder
        require(
            not self.training.decoder_input_dropout or decoder in ("list", "flat"),
            "training.decoder_input_dropout",
            f"0 with model.decoder={decoder}, which is not autoregressive; use list or flat",
        )
        require(
            not self.training.scheduled_sampling or decoder == "flat",
            "training.scheduled_sampling",
            f"0 with model.decoder={decoder}; only flat supports it",
        )

    def meter_id(self, numerator: int, denominator: int) -> int:
        """Return the index of a meter in the vocabulary, from 1; 0 for any other."""
        name = f"{numerator}/{denominator}"
        return self.meters.index(name) + 1 if name in self.meters else 0

    @property
    def takes_any_part(self) -> bool:
        """Whether its only slot takes parts of any kind, each in a pass of its own."""
        return self.parts[0].kind == "any"

    @property
    def denoises(self) -> bool:
        """Whether its models denoise songs rather than generate new ones."""
        return self.training.objective == "dae"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data from which `preset_from_dict` builds an equal preset."""
        return asdict(self)

    def with_settings(self, settings: Iterable[str]) -> Preset:
        """Return the preset with `section.key=value` assignments. Raises `ConfigError`."""
        data = self.to_dict()
        for setting in settings:
            apply_setting(data, setting)
        return preset_from_dict(data, "--set")


def preset_names() -> tuple[str, ...]:
    """Return the names of the shipped presets, sorted."""
    folder = resources.files("musicvae.config") / "presets"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_preset(name: str | Path) -> Preset:
    """Return a shipped preset by name, or one from a TOML file. Raises `ConfigError`."""
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
        raise ConfigError(f"{path}: {os_reason(error)}; check the path") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct the file") from None


def preset_from_dict(data: Mapping[str, Any], source: str) -> Preset:
    """Return a preset from plain data; messages begin with `source`.

    Keys and corruption kinds of earlier versions are translated. Raises `ConfigError` for
    unknown keys, with the closest known one, and for invalid values.
    """
    built: Preset = build_dataclass(Preset, upgrade_preset(data, source), source, "")
    return built
