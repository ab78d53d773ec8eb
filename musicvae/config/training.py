"""Training options: objective, corruption, KL control, optimization, augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from musicvae.config.corruption_kinds import corruption_kinds, validate_corruption
from musicvae.config.loading import require, require_sizes
from musicvae.config.plugins import plugin, require_known
from musicvae.config.size_limits import MAX_BATCH
from musicvae.errors import ConfigError

OBJECTIVES = ("ae", "dae", "vae")
KL_CONTROLS = ("target", "beta", "free_bits")
LOGGERS = ("auto", "tensorboard", "csv", "wandb", "none")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Training options of a preset. Raises `ConfigError` for invalid values."""

    objective: str = "vae"
    """Training objective: autoencoder `ae`, denoising autoencoder `dae`, `vae`, or a plug-in."""
    corruption: str = "auto"
    """Corruption of the encoder's input, see `musicvae.data.corruption`: `none`; one kind; several
    joined by `+`, or `mixed`; or `auto`: `transcription` for `dae`, none otherwise. With several
    kinds each window gets some of them, and the network is conditioned on their amounts."""
    corruption_amount: float = 0.3
    """Amount of the corruption, 0 to 1; with several kinds the maximum."""
    minutes: float = 10.0
    """Wall-clock budget when neither `--minutes` nor `--steps` is given."""
    batch: int = 128
    """Windows per microbatch."""
    accumulate: int = 1
    """Microbatches per optimizer step (gradient accumulation)."""
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    kl_target_bits: float = 100.0
    """KL per window, in bits, towards which beta is controlled."""
    kl_control: str = "target"
    """Weighting of the KL: `target`: beta is controlled to reach `kl_target_bits`; `beta`: fixed
    `beta`; `free_bits`: fixed `beta`, and the first `free_bits` of a window are free."""
    beta: float = 1.0
    """Weight of the KL unless it is controlled; 1 gives the ELBO."""
    beta_warmup_steps: int = 0
    """Steps over which a fixed beta grows from 0."""
    free_bits: float = 0.0
    """KL per window, in bits, that costs nothing if `kl_control` is `free_bits`."""
    decoder_input_dropout: float = 0.0
    """Share of notes hidden from the input of an autoregressive decoder (`list`, `flat`) in
    training. To hide notes from the encoder, see `corruption`."""
    scheduled_sampling: float = 0.0
    """Share of steps at which the `flat` decoder is fed its own prediction in training."""
    ema_decay: float = 0.995
    """Decay of the moving average of the weights, which is validated and saved."""
    key_jitter: float = 0.3
    """Share of training windows transposed by a fifth or a step."""
    part_dropout: float = 0.15
    """Share of training windows in which some parts are left out."""
    chord_dropout: float = 0.2
    """Share of training windows whose chords are hidden, for models conditioned on chords, so that
    they do without, too."""
    trait_dropout: float = 0.1
    """Share of training windows whose traits are hidden, for models that are told them."""
    balance: float = 1.0
    """How training windows are drawn from the folders of a collection: in proportion to this power
    of their number. 1 draws all windows alike, 0 all folders."""
    drum_mix_share: float = 0.0
    """Share of training windows in which some drums come from another window; only for presets
    with drums alone."""
    attributes: tuple[str, ...] = ()
    """Attributes by which latent dimensions are regularized (AR-VAE), see
    `musicvae.training.attribute_regularization`."""
    attribute_weight: float = 10.0
    """Weight of the attribute regularization, in nats per window."""
    replay_share: float = 0.0
    """When fine-tuning, share of windows sampled from the base model (generative replay)."""
    seed: int = 0

    def __post_init__(self) -> None:
        require_known("objective", "training.objective", self.objective, OBJECTIVES)
        validate_corruption(self.corruption, self.objective)
        require_sizes(self, "training", {"batch": MAX_BATCH, "accumulate": MAX_BATCH})
        require(self.warmup_steps >= 0, "training.warmup_steps", "0 or more")
        for name in ("weight_decay", "gradient_clip"):
            require(getattr(self, name) >= 0, f"training.{name}", "0 or more")
        require(0 <= self.ema_decay < 1, "training.ema_decay", "0 to below 1")
        for name in ("minutes", "learning_rate", "kl_target_bits", "beta", "attribute_weight"):
            require(getattr(self, name) > 0, f"training.{name}", "more than 0")
        controls = ", ".join(KL_CONTROLS)
        require(self.kl_control in KL_CONTROLS, "training.kl_control", f"one of {controls}")
        require(self.beta_warmup_steps >= 0, "training.beta_warmup_steps", "0 or more")
        is_fixed = self.kl_control != "target"
        for name, default in (("beta", 1.0), ("beta_warmup_steps", 0)):
            require(
                is_fixed or getattr(self, name) == default,
                f"training.{name}",
                f"{default:g} while beta is controlled to reach kl_target_bits; to fix it set "
                "training.kl_control=beta",
            )
        free = self.kl_control == "free_bits"
        require(
            self.free_bits > 0 if free else self.free_bits == 0,
            "training.free_bits",
            f"{'more than 0' if free else '0'} with training.kl_control={self.kl_control}",
        )
        for name in ("decoder_input_dropout", "replay_share"):
            require(0 <= getattr(self, name) < 1, f"training.{name}", "0 to below 1")
        for name in (
            "corruption_amount",
            "scheduled_sampling",
            "key_jitter",
            "part_dropout",
            "chord_dropout",
            "trait_dropout",
            "balance",
            "drum_mix_share",
        ):
            require(0 <= getattr(self, name) <= 1, f"training.{name}", "0 to 1")
        distinct = len(set(self.attributes)) == len(self.attributes)
        require(distinct, "training.attributes", "different from each other")
        require(0 <= self.seed < 2**32, "training.seed", "0 to 4294967295")

    @property
    def effective_corruption(self) -> str:
        """Corruption of the encoder's input with `auto` resolved, `none` without any."""
        default = "transcription" if self.objective == "dae" else "none"
        return default if self.corruption == "auto" else self.corruption

    @property
    def condition_kinds(self) -> tuple[str, ...]:
        """Corruption kinds on whose amounts the network is conditioned: at least two, or none."""
        kinds = corruption_kinds(self.effective_corruption)
        return kinds if len(kinds) > 1 else ()

    @property
    def effective_kl_target_bits(self) -> float:
        """KL per window that training aims for, in bits; 0 if it sets no target."""
        if self.deterministic:
            return 0.0
        bits = {"target": self.kl_target_bits, "free_bits": self.free_bits, "beta": 0.0}
        return bits[self.kl_control]

    @property
    def deterministic(self) -> bool:
        """Whether windows are encoded as points rather than distributions (`ae`, `dae`)."""
        if self.objective in OBJECTIVES:
            return self.objective != "vae"
        return bool(getattr(plugin("objective", self.objective), "deterministic", False))


def check_logger(name: str) -> None:
    """Raise `ConfigError` for a logger that is unknown or whose package is not installed."""
    if name not in LOGGERS:
        raise ConfigError(f"--logger {name}: not one of {', '.join(LOGGERS)}")
    if name in ("tensorboard", "wandb") and find_spec(name) is None:
        raise ConfigError(f"--logger {name}: not installed; pip install {name}")
