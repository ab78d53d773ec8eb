"""Floor 1: the sections of a preset that say what a model is made of: grid, parts, sizes, prior."""

from __future__ import annotations

from dataclasses import dataclass

from musicvae.config.loading import need

KINDS = ("voice", "chords", "drums")
LOSSES = ("cross-entropy", "squared")
SLICES = ("bar", "quarter", "window")
ENCODERS = ("linear", "recurrent")
DECODERS = ("cells", "list", "flat", "roll")
PRIORS = ("flow", "gaussian", "small", "none")
KEY_MARGIN = 6  # semitones that key normalisation may move a note by


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """How time is cut."""

    steps_per_quarter: int = 4
    bars: int = 2
    """Bars of one window, which one latent describes."""
    max_steps: int = 24
    """Cells of the longest bar that fits: 24 is 3/2 or 12/8 at four a quarter."""

    def __post_init__(self) -> None:
        need(
            self.steps_per_quarter in (1, 2, 3, 4, 6, 8, 12, 24),
            "grid.steps_per_quarter",
            "a divisor of 24",
        )
        need(1 <= self.bars <= 16, "grid.bars", "1 to 16")
        need(self.max_steps >= self.steps_per_quarter, "grid.max_steps", "at least a quarter")
        need(
            self.max_steps % self.steps_per_quarter == 0,
            "grid.max_steps",
            "a whole number of quarters",
        )


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """One slot for a part of a song."""

    name: str
    kind: str = "voice"
    """`voice`: one note at a time; `chords`: many; `drums`: a kit."""
    program: int = 0
    """General MIDI program of sampled songs."""
    center: float = 60.0
    """The MIDI pitch around which this part usually plays; decides which part goes where."""
    low: int = 21 + KEY_MARGIN
    """Lowest MIDI pitch that goes through the model; lower notes stay untouched."""
    high: int = 108 - KEY_MARGIN
    """Highest MIDI pitch that goes through the model."""

    def __post_init__(self) -> None:
        need(self.kind in KINDS, "parts.kind", "one of " + ", ".join(KINDS))
        need(0 <= self.program <= 127, "parts.program", "0 to 127")
        need(0 <= self.low <= self.high <= 127, "parts.low/high", "a range within 0..127")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of encoder and decoder."""

    latent: int = 64
    """Dimensions of one slice of the latent; Z is their sum over the window."""
    slices: str = "bar"
    """What one slice of the latent describes: a `bar`, a `quarter`, or the whole `window`."""
    width: int = 256
    """Channels of the residual blocks."""
    blocks: int = 3
    """Residual blocks in the encoder, and as many in the decoder."""
    kernel: int = 3
    """Quarters that one convolution sees."""
    rank: int = 32
    """Size of the feature from which pitch logits of a cell are made."""
    encoder: str = "linear"
    """`linear`: a linear map of each quarter's roll, then convolutions over quarters; `recurrent`:
    convolutions inside the bar, then a recurrence over quarters, `blocks` layers of it."""
    decoder: str = "cells"
    """`cells`: every cell of the bar at once; `list`: notes one after another; `flat`: one
    recurrence over steps; `roll`: the piano roll itself, at once."""
    loss: str = "cross-entropy"
    """What the decoder pays for notes: `cross-entropy`; `squared`, on the roll of `roll` alone."""
    hidden: int = 192
    """Hidden size of the recurrence in the list and flat decoders."""
    velocity: bool = False
    """Whether velocities go through the latent; else notes are played by rule."""
    microtiming: bool = False
    """Whether how notes are played against the grid goes through the latent; else it is lost."""
    ends: bool = False
    """Whether the encoder hears exactly where notes end; a gap in a line then says that one is
    missing."""
    attention: bool = False
    """Whether quarters look at all others of the window, before the last block."""
    direct_weight: float = 0.5
    """How much what the latents alone say of the notes counts beside the list decoder's loss."""
    dropout: float = 0.0

    def __post_init__(self) -> None:
        need(self.encoder in ENCODERS, "model.encoder", "one of " + ", ".join(ENCODERS))
        need(self.decoder in DECODERS, "model.decoder", "one of " + ", ".join(DECODERS))
        need(self.loss in LOSSES, "model.loss", "one of " + ", ".join(LOSSES))
        need(
            self.loss != "squared" or self.decoder == "roll",
            "model.loss",
            f"cross-entropy with model.decoder={self.decoder}: squared error is defined on a roll, "
            "so set model.decoder=roll for it",
        )
        need(
            self.decoder != "roll" or not (self.velocity or self.microtiming),
            "model.velocity and model.microtiming",
            "false with model.decoder=roll, whose planes tell when notes sound and nothing else",
        )
        need(self.slices in SLICES, "model.slices", "one of " + ", ".join(SLICES))
        need(0.0 <= self.dropout < 1.0, "model.dropout", "0 to below 1")
        for name in ("latent", "width", "blocks", "rank", "hidden"):
            need(getattr(self, name) >= 1, f"model.{name}", "at least 1")
        need(self.kernel % 2 == 1, "model.kernel", "odd")


@dataclass(frozen=True, kw_only=True)
class PriorConfig:
    """Where new songs come from: the prior over paths of latents, fitted when training is done."""

    kind: str = "flow"
    """`flow`: a rectified flow, learnt; `gaussian`: linear, in closed form; `small`: a small VAE
    over the latents, for few songs, in seconds; `none` at all."""
    steps: int = 3000
    """Training steps of a flow, but no more than the model itself was given."""
    minutes: float = 3.0
    """Most minutes that it takes; at most a tenth of those that the run is given."""
    batch: int = 64
    """Stretches of song a step."""
    learning_rate: float = 2e-3
    width: int = 128
    layers: int = 3
    solver_steps: int = 4
    """Steps from noise to latents."""

    def __post_init__(self) -> None:
        need(self.kind in PRIORS, "prior.kind", "one of " + ", ".join(PRIORS))
        need(self.minutes > 0, "prior.minutes", "more than 0")
        need(self.learning_rate > 0, "prior.learning_rate", "more than 0")
        for name in ("steps", "batch", "layers", "solver_steps"):
            need(getattr(self, name) >= 1, f"prior.{name}", "at least 1")
        need(self.width >= 32 and self.width % 32 == 0, "prior.width", "a multiple of 32")
