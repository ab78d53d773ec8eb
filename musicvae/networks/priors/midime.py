"""A small VAE over the latents of a few songs, with a linear prior over its paths (MidiMe).

A few songs fill a small part of the latent space. A second VAE of few dimensions learns that part,
with the large one frozen (Dinculescu, Engel and Roberts 2019); a `LinearGaussianPrior` over its own
latents models how windows follow one another. What it does not explain is sampled as noise.
Fitting takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from musicvae.arrays import Floats32, Ints
from musicvae.config.preset import Preset
from musicvae.networks.layers import latent_size
from musicvae.networks.priors.conditioning import EncodedPaths, KnownLatents, PathConditioning
from musicvae.networks.priors.gaussian import (
    LinearGaussianPrior,
    lower_factor,
    second_moment,
    tie_windows,
)
from musicvae.networks.weights import load_network

LEARNING_RATE, KL_WEIGHT, BATCH_SIZE = 3e-3, 0.03, 1024


class MidiMePrior(nn.Module):
    """A VAE from `z` `(Z,)` of a window, standardized by `shift` and `scale`, to a small latent."""

    def __init__(self, Z: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(Z, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, Z))
        self.shift: Tensor
        self.scale: Tensor
        self.rest: Tensor  # lower triangular factor of the covariance of the residual
        self.register_buffer("shift", torch.zeros(Z))
        self.register_buffer("scale", torch.ones(Z))
        self.register_buffer("rest", torch.eye(Z))
        self.path_prior: LinearGaussianPrior | None = None

    def posterior(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and sigma of the small latents of windows `(B, Z)`, each `(B, latent)`."""
        mu, logvar = self.encoder((z - self.shift) / self.scale).chunk(2, -1)
        return mu, (0.5 * logvar.clamp(-8, 4)).exp()

    def decode(self, small: Tensor) -> Tensor:
        """Return `z` `(..., Z)` of small latents `(..., latent)`."""
        out: Tensor = self.decoder(small) * self.scale + self.shift
        return out

    @classmethod
    def fit(
        cls,
        paths: EncodedPaths,
        n_meters: int,
        *,
        latent: int = 12,
        hidden: int = 96,
        steps: int = 600,
        seed: int = 0,
    ) -> MidiMePrior:
        """Return a prior trained on paths: the ELBO of `z` drawn from the posteriors, by AdamW."""
        generator = torch.Generator().manual_seed(seed)
        mu, sigma = (torch.from_numpy(each.astype(np.float32)) for each in (paths.mu, paths.sigma))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(mu.shape[1], latent, hidden)
        model.shift.copy_(mu.mean(0))
        model.scale.copy_((mu.var(0, unbiased=False) + (sigma**2).mean(0) + 1e-4).sqrt())
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
        with torch.enable_grad():
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = LEARNING_RATE * (1 - step / steps)
                size = (min(len(mu), BATCH_SIZE),)
                index = torch.randint(len(mu), size, generator=generator)
                noise = torch.randn(mu[index].shape, generator=generator)
                z = mu[index] + sigma[index] * noise
                mean, spread = model.posterior(z)
                small = mean + spread * torch.randn(mean.shape, generator=generator)
                error = ((model.decode(small) - z) / model.scale) ** 2
                kl = 0.5 * (mean**2 + spread**2 - 1) - spread.log()
                loss = 0.5 * error.sum(-1).mean() + KL_WEIGHT * kl.sum(-1).mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        model.requires_grad_(False).eval()
        mean, spread = model.posterior(mu)
        residual = (mu - model.decode(mean)).numpy()
        model.rest.copy_(torch.from_numpy(lower_factor(second_moment(residual))))
        small_paths = replace(paths, mu=mean.numpy(), sigma=spread.numpy())
        model.path_prior = LinearGaussianPrior.fit(small_paths, n_meters)
        return model

    def sample(
        self,
        conditioning: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        known: KnownLatents | None = None,
        bar_labels: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """Return sampled paths `(n, W, Z)`; arguments as in `LinearGaussianPrior.sample`."""
        assert self.path_prior is not None
        small_known = known
        if known is not None:
            mean, _ = self.posterior(torch.from_numpy(known.z.astype(np.float32)))
            small_known = replace(known, z=mean.numpy())
        small = self.path_prior.sample(
            conditioning,
            temperature=temperature,
            rng=rng,
            known=small_known,
            bar_labels=bar_labels,
            amount=amount,
        )
        z = self.decode(torch.from_numpy(small)).numpy()
        noise = rng.standard_normal(z.shape, dtype=np.float32) @ self.rest.numpy().T
        noise = np.float32(temperature) * tie_windows(noise, bar_labels)
        if known is None or small_known is None:
            return np.asarray(z + noise, np.float32)
        # The residual of the known songs is kept, the more so the nearer the variations are.
        residual = known.z - self.decode(torch.from_numpy(small_known.z)).numpy()
        angle = amount * np.pi / 2 if amount < 1 else np.pi / 2
        z = z + np.cos(angle) * residual + np.sin(angle) * noise
        fixed = known.fully_known(conditioning)[..., None] & (amount >= 1)
        return np.asarray(np.where(fixed, known.z, z), np.float32)

    def fits(self, preset: Preset) -> bool:
        """Return whether it is one for latents and meters of models of a preset."""
        assert self.path_prior is not None
        is_latent = self.shift.shape[-1] == latent_size(preset)
        return is_latent and len(self.path_prior.mean) == len(preset.meters) + 1

    def tensors(self) -> dict[str, Floats32]:
        """Return the tensors that a checkpoint stores; `from_tensors` is the inverse."""
        assert self.path_prior is not None
        small = {f"small.{name}": tensor.numpy() for name, tensor in self.state_dict().items()}
        path = {f"path.{name}": tensor for name, tensor in self.path_prior.tensors().items()}
        return small | path

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> MidiMePrior:
        """Return the prior stored in `tensors`. Raises `RuntimeError` if they do not fit."""
        small, path = (
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            for prefix in ("small.", "path.")
        )
        try:
            hidden, Z = small["encoder.0.weight"].shape
            size = small["decoder.0.weight"].shape[1]
            path_prior = LinearGaussianPrior(**{n: t.float().numpy() for n, t in path.items()})
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise RuntimeError(f"no {error}") from None
        small = {name: tensor.float() for name, tensor in small.items()}
        n_weights = (Z + hidden + 2 * size + 4) ** 2  # at most
        model = load_network(lambda: cls(Z, size, hidden), small, n_weights)
        if path_prior.by_key.shape != (size,):
            raise RuntimeError("its two priors differ in size")
        model.path_prior = path_prior
        return model.requires_grad_(False)
