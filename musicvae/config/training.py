"""Options of training: objective, KL control, schedule, precision."""

from __future__ import annotations

from dataclasses import dataclass

from musicvae.config.corruptions import checked, kinds_in
from musicvae.config.loading import need

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
