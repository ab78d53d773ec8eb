"""The VAE as a Lightning module. A step is a function of weights, seed and step number."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from musicvae.checkpoints import Checkpoint
from musicvae.config.preset import Preset
from musicvae.errors import CheckpointError
from musicvae.networks.losses import (
    NATS_PER_BIT,
    compute_loss_terms,
    deterministic_noise,
    make_beta_controller,
)
from musicvae.networks.vae import VAE
from musicvae.training.attribute_regularization import (
    ar_vae_loss,
    regularized_dims,
    validate_attributes,
)
from musicvae.training.sampler import TrainingExample, microbatch_index
from musicvae.training.schedule import Schedule


class TrainingModule(pl.LightningModule):
    """Training of a `VAE` by its preset's objective, with an exponential average of its weights.

    Attributes:
        vae: the network that is trained.
        averaged: its averaged weights, which are validated and kept.
        running_metrics: exponential means of the training losses, and the learning rate.
    """

    def __init__(self, preset: Preset, schedule: Schedule) -> None:
        super().__init__()
        self.preset, self.schedule = preset, schedule
        self.vae = VAE(preset)
        self.averaged = copy.deepcopy(self.vae).requires_grad_(False).eval()
        self.beta_controller = make_beta_controller(preset.training)
        validate_attributes(preset)
        self.running_metrics: dict[str, float] = {}
        self._optimizer_state: dict[str, Tensor] = {}
        self._micro_losses: list[Tensor] = []  # of the micro-batches of this step so far

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with weight decay on matrices alone."""
        training = self.preset.training
        matrices = [p for p in self.vae.parameters() if p.ndim > 1]
        others = [p for p in self.vae.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": training.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=training.learning_rate,
            betas=(0.9, 0.98),
            fused=self.device.type == "cpu",  # on other devices the default, foreach, is fast
        )
        _load_optimizer_state(optimizer, self._optimizer_state)
        return optimizer

    def on_train_batch_start(self, batch: TrainingExample, batch_idx: int) -> None:
        """Set the learning rate, and seed dropout with the step."""
        training = self.preset.training
        rate = self.schedule.learning_rate(training.learning_rate, training.warmup_steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        index = self._microbatch_index(batch_idx)
        torch.manual_seed(training.seed * 1_000_003 + self.schedule.step + index * 2**40)
        self.running_metrics["learning_rate"] = rate

    def training_step(self, example: TrainingExample, batch_idx: int) -> Tensor:
        """Return the loss of a micro-batch in nats per window.

        Metrics and beta are updated after the last micro-batch of a step.
        """
        batch, corrupted, attributes = example
        world, accumulate = self.trainer.world_size, self.preset.training.accumulate
        n_pieces = world * accumulate
        shape = (len(batch.notes) * n_pieces, self.vae.Z)
        noise = deterministic_noise(self.preset.training.seed, self.schedule.step, shape)
        noise = noise[self._microbatch_index(batch_idx) :: n_pieces].to(self.device)
        terms, posterior = compute_loss_terms(self.vae, batch, noise, corrupted)
        context_free = self.preset.model.context_free_weight
        loss = terms.loss(self.beta_controller.beta, context_free, self.preset.training.free_bits)
        attribute_loss = torch.zeros_like(loss)
        if attributes is not None:
            dims = regularized_dims(posterior.mu, self.vae.encoder.n_slices, attributes.shape[1])
            attribute_loss = ar_vae_loss(dims, attributes)
            loss = loss + self.preset.training.attribute_weight * attribute_loss
        each = [*(nats.mean() for nats in terms.notes[:4]), terms.kl.mean(), attribute_loss]
        means = torch.stack(each).detach()
        self._micro_losses = [*self._micro_losses, means] if batch_idx % accumulate else [means]
        if len(self._micro_losses) == accumulate:
            means = torch.stack(self._micro_losses).mean(0)
            if world > 1:
                means = torch.as_tensor(self.all_gather(means)).mean(0)
            self._record(means)
        return loss

    def _microbatch_index(self, batch_idx: int) -> int:
        """Return which piece of the step's batch a micro-batch is."""
        micro = batch_idx % self.preset.training.accumulate
        return microbatch_index(micro, self.trainer.global_rank, self.trainer.world_size)

    def _record(self, means: Tensor) -> None:
        """Update the running metrics and beta by the mean losses of a step."""
        onset, pitch, duration, expression, kl, attribute_loss = means.tolist()
        total = onset + pitch + duration + expression
        self._update_running(onset=onset, pitch=pitch, duration=duration, loss=total)
        if self.preset.training.attributes:
            self._update_running(disorder=attribute_loss)
        if not self.preset.training.deterministic:
            kl_bits = kl / NATS_PER_BIT
            if math.isfinite(kl_bits):
                self.beta_controller.update(kl_bits)
            self._update_running(kl_bits=kl_bits)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then update the averaged weights."""
        super().optimizer_step(*args, **kwargs)
        step = self.schedule.step
        decay = min(self.preset.training.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            averaged: list[Tensor] = list(self.averaged.parameters())
            current: list[Tensor] = list(self.vae.parameters())
            torch._foreach_lerp_(averaged, current, 1 - decay)
        self.schedule.count_step()

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip gradients, which Lightning refuses for fused optimizers for the sake of fp16."""
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), self.preset.training.gradient_clip)

    def state(self) -> dict[str, Tensor]:
        """Return weights, averaged weights and optimizer moments by name."""
        tensors = {f"vae.{n}": t for n, t in self.vae.state_dict().items()}
        tensors |= {f"averaged.{n}": t for n, t in self.averaged.state_dict().items()}
        optimizer = self.trainer.optimizers[0]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for i, parameter in enumerate(parameters):
            for name, value in optimizer.state[parameter].items():
                tensors[f"moments.{i}.{name}"] = torch.as_tensor(value)
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` returned; moments when the optimizer is configured."""
        for name, part in (("vae", self.vae), ("averaged", self.averaged)):
            cut = len(name) + 1
            part.load_state_dict(
                {n[cut:]: t for n, t in tensors.items() if n.startswith(name + ".")}
            )
        self._optimizer_state = {n[8:]: t for n, t in tensors.items() if n.startswith("moments.")}

    def load_weights(self, checkpoint: Checkpoint) -> None:
        """Start from the weights of a trained model, and from its beta.

        If that is not conditioned on chords and this one is, their embedding starts at zero.
        Raises `CheckpointError` if they are those of another network.
        """
        try:
            tensors = checkpoint.tensors_under("model")
            if self.preset.conditions.chords and not checkpoint.preset.conditions.chords:
                tensors |= {
                    name: torch.zeros_like(weight)
                    for name, weight in self.vae.state_dict().items()
                    if name.endswith("conditions.chords.embed.weight")
                }
            for part in (self.vae, self.averaged):
                part.load_state_dict(tensors)
        except RuntimeError:
            raise CheckpointError(
                checkpoint.path or "checkpoint",
                f"its weights do not fit preset {self.preset.name} with these settings",
                "leave out --set of model, grid and parts",
            ) from None
        if self.preset.training.kl_control == "target":
            self.beta_controller.beta = checkpoint.provenance.get("beta", self.beta_controller.beta)

    def _update_running(self, **values: float) -> None:
        """Update exponential means for the progress bar and the log."""
        for name, value in values.items():
            mean = self.running_metrics.get(name, value)
            self.running_metrics[name] = (
                0.95 * mean + 0.05 * value if math.isfinite(mean) else value
            )


def _load_optimizer_state(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in moments.items():
        index, _, key = name.partition(".")
        parameter = parameters[int(index)]
        # AdamW counts steps on the CPU; its moments live with the parameter.
        optimizer.state[parameter][key] = value if key == "step" else value.to(parameter.device)
