"""Floor 7: the VAE as a Lightning module. A step is a function of weights, seed and number."""

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
from musicvae.networks.losses import NATS_PER_BIT, control_of, deterministic_noise, objective
from musicvae.networks.vae import VAE
from musicvae.training.attribute_regularization import checked_attributes, disorder, following
from musicvae.training.sampler import Lesson, piece_of
from musicvae.training.schedule import Plan


class TrainingModule(pl.LightningModule):
    """Trains a `VAE` by its preset's objective, and keeps a running average of its weights."""

    def __init__(self, preset: Preset, plan: Plan) -> None:
        super().__init__()
        self.preset, self.plan = preset, plan
        self.vae = VAE(preset)
        self.averaged = copy.deepcopy(self.vae).requires_grad_(False).eval()
        self.control = control_of(preset.training)
        checked_attributes(preset)
        self.latest: dict[str, float] = {}
        self.restored: dict[str, Tensor] = {}
        self.micro: list[Tensor] = []
        """Mean losses of the micro-batches of this step so far."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; only matrices decay."""
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
            fused=self.device.type == "cpu",  # elsewhere all at once is usual
        )
        _load_moments(optimizer, self.restored)
        return optimizer

    def on_train_batch_start(self, batch: Lesson, batch_idx: int) -> None:
        """Set the learning rate, and make dropout a function of the step."""
        training = self.preset.training
        rate = self.plan.learning_rate(training.learning_rate, training.warmup_steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        piece = self._piece(batch_idx)
        torch.manual_seed(training.seed * 1_000_003 + self.plan.step + piece * 2**40)
        self.latest["learning_rate"] = rate

    def training_step(self, lesson: Lesson, batch_idx: int) -> Tensor:
        """One micro-batch: the loss in nats a window. What is steered by it waits for the last."""
        batch, heard, values = lesson
        world, accumulate = self.trainer.world_size, self.preset.training.accumulate
        pieces = world * accumulate
        shape = (len(batch.notes) * pieces, self.vae.Z)
        noise = deterministic_noise(self.preset.training.seed, self.plan.step, shape)
        mine = noise[self._piece(batch_idx) :: pieces].to(self.device)
        terms, posterior = objective(self.vae, batch, mine, heard)
        direct, free = self.preset.model.direct_weight, self.preset.training.free_bits
        loss = terms.loss(self.control.beta, direct, free)
        disordered = torch.zeros_like(loss)
        if values is not None:
            slices, n = self.vae.encoder.slices, values.shape[1]
            disordered = disorder(following(posterior.mu, slices, n), values)
            loss = loss + self.preset.training.attribute_weight * disordered
        each = [*(nats.mean() for nats in terms.notes[:4]), terms.kl.mean(), disordered]
        means = torch.stack(each).detach()
        self.micro = [*self.micro, means] if batch_idx % accumulate else [means]
        if len(self.micro) == accumulate:
            means = torch.stack(self.micro).mean(0)
            if world > 1:
                means = torch.as_tensor(self.all_gather(means)).mean(0)
            self._learned(means)
        return loss

    def _piece(self, batch_idx: int) -> int:
        """Which piece of the step's batch this is."""
        micro = batch_idx % self.preset.training.accumulate
        return piece_of(micro, self.trainer.global_rank, self.trainer.world_size)

    def _learned(self, means: Tensor) -> None:
        """Take note of a step's mean losses, and steer beta by its KL."""
        onset, pitch, duration, touch, kl, disordered = means.tolist()
        total = onset + pitch + duration + touch
        self._note(onset=onset, pitch=pitch, duration=duration, loss=total)
        if self.preset.training.attributes:
            self._note(disorder=disordered)
        if not self.preset.training.deterministic:
            kl_bits = kl / NATS_PER_BIT
            if math.isfinite(kl_bits):
                self.control.update(kl_bits)
            self._note(kl_bits=kl_bits)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the averaged weights a little towards the new ones."""
        super().optimizer_step(*args, **kwargs)
        step = self.plan.step
        decay = min(self.preset.training.average, (1 + step) / (10 + step))
        with torch.no_grad():
            averaged: list[Tensor] = list(self.averaged.parameters())
            current: list[Tensor] = list(self.vae.parameters())
            torch._foreach_lerp_(averaged, current, 1 - decay)
        self.plan.step += 1

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip; Lightning will not where the optimizer is fused, which matters in fp16 alone."""
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), self.preset.training.gradient_clip)

    def state(self) -> dict[str, Tensor]:
        """Weights, averaged weights and optimizer moments, by name."""
        tensors = {f"vae.{n}": t for n, t in self.vae.state_dict().items()}
        tensors |= {f"averaged.{n}": t for n, t in self.averaged.state_dict().items()}
        optimizer = self.trainer.optimizers[0]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for i, parameter in enumerate(parameters):
            for name, value in optimizer.state[parameter].items():
                tensors[f"moments.{i}.{name}"] = torch.as_tensor(value)
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `state` gave; moments follow when the optimizer is made."""
        for name, part in (("vae", self.vae), ("averaged", self.averaged)):
            cut = len(name) + 1
            part.load_state_dict(
                {n[cut:]: t for n, t in tensors.items() if n.startswith(name + ".")}
            )
        self.restored = {n[8:]: t for n, t in tensors.items() if n.startswith("moments.")}

    def begin_from(self, checkpoint: Checkpoint) -> None:
        """Take up the weights of a trained model, and the beta it had come to.

        Raises `CheckpointError` if they are those of another network.
        """
        try:
            for part in (self.vae, self.averaged):
                part.load_state_dict(checkpoint.under("model"))
        except RuntimeError:
            raise CheckpointError(
                checkpoint.path or "checkpoint",
                f"its weights do not fit preset {self.preset.name} as it is set",
                "leave out --set of model, grid and parts",
            ) from None
        if self.preset.training.kl_control == "target":
            self.control.beta = checkpoint.provenance.get("beta", self.control.beta)

    def _note(self, **values: float) -> None:
        """Running means for the progress bar and the log."""
        for name, value in values.items():
            before = self.latest.get(name, value)
            self.latest[name] = value if not math.isfinite(before) else 0.95 * before + 0.05 * value


def _load_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in moments.items():
        index, _, key = name.partition(".")
        parameter = parameters[int(index)]
        # AdamW counts steps on the CPU; its moments live with the parameter.
        optimizer.state[parameter][key] = value if key == "step" else value.to(parameter.device)
