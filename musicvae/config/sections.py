"""Sections of a preset that define the model: grid, parts, network sizes, prior."""

from __future__ import annotations

from dataclasses import dataclass

from musicvae.config.loading import require, require_sizes
from musicvae.config.plugins import require_known
from musicvae.config.size_limits import MAX_BAR_QUARTERS, MAX_MODEL_SIZES, MAX_PRIOR_SIZES

PART_KINDS = ("voice", "chords", "drums", "any")
LOSSES = ("cross-entropy", "squared")
SLICES = ("bar", "quarter", "window")
ENCODERS = ("linear", "recurrent")
DECODERS = ("cells", "list", "flat", "roll")
PRIORS = ("flow", "gaussian", "small", "none")
KEY_MARGIN = 6  # semitones by which key normalization may transpose a note


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Time resolution and window size."""

    steps_per_quarter: int = 4
    bars: int = 2
    """Bars of a window, which one latent describes."""
    max_steps: int = 24
    """Steps of the longest bar that fits: 24 is 3/2 or 12/8 at four steps per quarter."""

    @property
    def quarters(self) -> int:
        """Number of quarters of the longest bar."""
        return self.max_steps // self.steps_per_quarter

    def __post_init__(self) -> None:
        require(
            self.steps_per_quarter in (1, 2, 3, 4, 6, 8, 12, 24),
            "grid.steps_per_quarter",
            "a divisor of 24",
        )
        require(1 <= self.bars <= 16, "grid.bars", "1 to 16")
        longest = MAX_BAR_QUARTERS * self.steps_per_quarter
        require(
            self.steps_per_quarter <= self.max_steps <= longest,
            "grid.max_steps",
            f"{self.steps_per_quarter} to {longest}: from one quarter to {MAX_BAR_QUARTERS}",
        )
        require(
            self.max_steps % self.steps_per_quarter == 0,
            "grid.max_steps",
            "a whole number of quarters",
        )


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """Slot of a preset, which holds one part of a song."""

    name: str
    kind: str = "voice"
    """`voice`: monophonic; `chords`: polyphonic; `drums`: a drum kit; `any`: one part of any kind,
    in the only slot of a preset."""
    program: int = 0
    """General MIDI program of sampled songs."""
    center: float = 60.0
    """Typical mean MIDI pitch, by which a song's parts are assigned to slots."""
    low: int = 21 + KEY_MARGIN
    """Lowest MIDI pitch that is modeled; lower notes pass through unchanged."""
    high: int = 108 - KEY_MARGIN
    """Highest MIDI pitch that is modeled."""

    def __post_init__(self) -> None:
        require(self.kind in PART_KINDS, "parts.kind", "one of " + ", ".join(PART_KINDS))
        require(0 <= self.program <= 127, "parts.program", "0 to 127")
        require(0 <= self.low <= self.high <= 127, "parts.low/high", "a range within 0..127")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture and sizes of encoder and decoder."""

    latent: int = 64
    """Dimensions of one slice of the latent; a window's latent concatenates its slices."""
    slices: str = "bar"
    """Span of one slice of the latent: a `bar`, a `quarter`, or the whole `window`."""
    width: int = 256
    """Channels of the residual blocks."""
    blocks: int = 3
    """Residual blocks in the encoder, and as many in the decoder."""
    kernel: int = 3
    """Kernel size of the convolutions, in quarters."""
    rank: int = 32
    """Size of the features from which the pitch logits of a cell are computed."""
    encoder: str = "linear"
    """`linear`: a linear map of each quarter's roll, then convolutions over quarters; `recurrent`:
    convolutions within the bar, then `blocks` recurrent layers over quarters; or a plug-in."""
    decoder: str = "cells"
    """`cells`: all cells of a bar in parallel; `list`: autoregressive over notes; `flat`:
    autoregressive over steps; `roll`: the piano roll in parallel; or a plug-in."""
    loss: str = "cross-entropy"
    """Reconstruction loss: `cross-entropy`, or `squared`, which needs the `roll` decoder."""
    hidden: int = 192
    """Hidden size of the recurrence in the `list` and `flat` decoders."""
    velocity: bool = False
    """Whether velocities are encoded; otherwise they are added by rule."""
    microtiming: bool = False
    """Whether deviations of onsets from the grid are encoded; otherwise they are dropped."""
    encode_offsets: bool = False
    """Whether the encoder sees where notes end, to within a step; a gap in a line then shows that
    a note is missing."""
    note_durations: bool = False
    """Whether notes that begin together have durations of their own; otherwise a chord has one."""
    attention: bool = False
    """Whether quarters attend to all others of the window before the last block."""
    context_free_weight: float = 0.5
    """Weight of the context-free likelihood (from the latents alone) beside the `list` decoder's
    autoregressive one."""
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for kind, own in (("encoder", ENCODERS), ("decoder", DECODERS)):
            require_known(kind, f"model.{kind}", getattr(self, kind), own)
        require(self.loss in LOSSES, "model.loss", "one of " + ", ".join(LOSSES))
        require(
            self.loss != "squared" or self.decoder == "roll",
            "model.loss",
            f"cross-entropy with model.decoder={self.decoder}: squared error is defined on a roll, "
            "so set model.decoder=roll for it",
        )
        require(
            self.decoder != "roll" or not (self.velocity or self.microtiming),
            "model.velocity and model.microtiming",
            "false with model.decoder=roll, which decodes onsets and durations only",
        )
        require(
            self.decoder == "cells" or not self.note_durations,
            "model.note_durations",
            "false unless model.decoder=cells",
        )
        require(self.slices in SLICES, "model.slices", "one of " + ", ".join(SLICES))
        require(0.0 <= self.dropout < 1.0, "model.dropout", "0 to below 1")
        require_sizes(self, "model", MAX_MODEL_SIZES)
        require(self.kernel % 2 == 1, "model.kernel", "odd")


@dataclass(frozen=True, kw_only=True)
class ConditionsConfig:
    """What encoder, decoder and prior are told beside meter, key and active parts."""

    chords: bool = False
    """Whether they are conditioned on the chord of each quarter, where it is known."""
    parts: bool = False
    """Whether they are told kind, family of programs, register and resolution of each part, see
    `representation.part_traits`."""


@dataclass(frozen=True, kw_only=True)
class PriorConfig:
    """Prior over paths of latents, from which songs are sampled; fitted after training."""

    kind: str = "flow"
    """`flow`: a rectified flow; `gaussian`: linear-Gaussian, in closed form; `small`: a small VAE
    over the latents (MidiMe), for few songs, in seconds; `none`: no prior."""
    steps: int = 3000
    """Training steps of a flow, but no more than those of the model itself."""
    minutes: float = 3.0
    """Maximum training time of a flow; at most a tenth of the run's."""
    batch: int = 64
    """Song excerpts per step."""
    learning_rate: float = 2e-3
    width: int = 128
    layers: int = 3
    solver_steps: int = 4
    """Steps of the ODE solver from noise to latents."""

    def __post_init__(self) -> None:
        require_known("prior", "prior.kind", self.kind, PRIORS)
        require(self.minutes > 0, "prior.minutes", "more than 0")
        require(self.learning_rate > 0, "prior.learning_rate", "more than 0")
        require_sizes(self, "prior", MAX_PRIOR_SIZES)
        require(self.width >= 32 and self.width % 32 == 0, "prior.width", "a multiple of 32")
