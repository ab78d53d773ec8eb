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

from musicvae.damage import checked, kinds_in
from musicvae.errors import ConfigError, nearest, reason_of
from musicvae.sections import GridConfig, ModelConfig, PartConfig, PriorConfig
from musicvae.strict import assign, build, need

OBJECTIVES = ("ae", "dae", "vae")
KL_CONTROLS = ("target", "beta", "free_bits")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model learns."""

    objective: str = "vae"
    """What is minimised, see `models.objectives`: `ae`, `dae` (its input corrupted) or `vae`."""
    corruption: str = "auto"
    """What is done to the notes that the encoder hears, see `corruptions`; `none`, or `auto`:
    `transcription` for `dae`, nothing for the others. Of several kinds, joined by `+`, or `mixed`,
    each window has some; which, and how much of each, the network is told."""
    corruption_amount: float = 0.3
    """How much of it, 0 to 1; of several kinds at most."""
    minutes: float = 10.0
    """Wall-clock budget when neither `--minutes` nor `--steps` is given."""
    batch: int = 128
    """Windows that are learned from at once."""
    accumulate: int = 1
    """Such batches a step: the gradient of one so many times as large, in the memory of one."""
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    kl_target_bits: float = 100.0
    """KL of a window towards which beta is steered."""
    kl_control: str = "target"
    """How the KL is weighed: `target`: by a beta that is steered to `kl_target_bits`; `beta`: by
    `beta`; `free_bits`: by `beta` too, but a window's first `free_bits` cost nothing."""
    beta: float = 1.0
    """Weight of the KL where it is not steered; 1 is the ELBO."""
    beta_warmup_steps: int = 0
    """Steps in which that weight grows from 0."""
    free_bits: float = 0.0
    """KL of a window that costs nothing, where `kl_control` is `free_bits`."""
    hearing_dropout: float = 0.0
    """Share of notes that a decoder which hears notes (`list`, `flat`) does not hear, in training
    alone. For notes hidden from the encoder see `corruption`."""
    scheduled_sampling: float = 0.0
    """Share of steps at which the `flat` decoder hears what it would have played itself."""
    average: float = 0.995
    """Decay of the running average of weights that is validated and kept."""
    key_jitter: float = 0.3
    """Share of windows whose key is moved by a fifth or a step before it is learned from."""
    part_dropout: float = 0.15
    """Share of windows learned from with some of their parts left out."""
    kit_mixing: float = 0.0
    """Share of windows learned from that have some of their drums from another window; for presets
    of a drum kit alone."""
    attributes: tuple[str, ...] = ()
    """Attributes that dimensions of the latent are made to follow, see `training.regularising`."""
    attribute_weight: float = 10.0
    """What it costs, in nats a window, that a dimension says nothing of its attribute."""
    rehearsal: float = 0.0
    """In a run that begins from trained weights, the share of windows that are dreamt by the model
    that it begins from, so that it does not forget what it knew."""
    seed: int = 0

    def __post_init__(self) -> None:
        need(self.objective in OBJECTIVES, "training.objective", "one of " + ", ".join(OBJECTIVES))
        checked(self.corruption, self.objective)
        for name in ("batch", "accumulate"):
            need(getattr(self, name) >= 1, f"training.{name}", "at least 1")
        for name in ("minutes", "learning_rate", "kl_target_bits", "beta", "attribute_weight"):
            need(getattr(self, name) > 0, f"training.{name}", "more than 0")
        controls = ", ".join(KL_CONTROLS)
        need(self.kl_control in KL_CONTROLS, "training.kl_control", f"one of {controls}")
        need(self.beta_warmup_steps >= 0, "training.beta_warmup_steps", "0 or more")
        fixed = self.kl_control != "target"
        for name, usual in (("beta", 1.0), ("beta_warmup_steps", 0)):
            need(
                fixed or getattr(self, name) == usual,
                f"training.{name}",
                f"{usual:g} while beta is steered to kl_target_bits; to fix it set "
                "training.kl_control=beta",
            )
        free = self.kl_control == "free_bits"
        need(
            self.free_bits > 0 if free else self.free_bits == 0,
            "training.free_bits",
            f"{'more than 0' if free else '0'} with training.kl_control={self.kl_control}",
        )
        need(0 <= self.hearing_dropout < 1, "training.hearing_dropout", "0 to below 1")
        for name in (
            "corruption_amount",
            "scheduled_sampling",
            "key_jitter",
            "part_dropout",
            "kit_mixing",
        ):
            need(0 <= getattr(self, name) <= 1, f"training.{name}", "0 to 1")
        twice = len(set(self.attributes)) < len(self.attributes)
        need(not twice, "training.attributes", "different from each other")
        need(0 <= self.rehearsal < 1, "training.rehearsal", "0 to below 1")
        need(0 <= self.seed < 2**32, "training.seed", "0 to 4294967295")

    @property
    def noise(self) -> str:
        """The corruption of what the encoder hears, `none` without."""
        usual = "transcription" if self.objective == "dae" else "none"
        return usual if self.corruption == "auto" else self.corruption

    @property
    def told(self) -> tuple[str, ...]:
        """The kinds of damage whose amounts the network is told: several, or none."""
        kinds = kinds_in(self.noise)
        return kinds if len(kinds) > 1 else ()

    @property
    def asked_bits(self) -> float:
        """KL of a window that is asked for; 0 where nothing is, and it is whatever comes."""
        if self.deterministic:
            return 0.0
        bits = {"target": self.kl_target_bits, "free_bits": self.free_bits, "beta": 0.0}
        return bits[self.kl_control]

    @property
    def deterministic(self) -> bool:
        """Whether a window has one code instead of a posterior: it then carries no bits."""
        return self.objective in ("ae", "dae")


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
    folder = resources.files("musicvae") / "presets"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_preset(name: str | Path) -> Preset:
    """A shipped preset by name, or one from a TOML file. Raises `ConfigError`."""
    if str(name) in preset_names():
        text = (resources.files("musicvae") / "presets" / f"{name}.toml").read_text("utf-8")
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
