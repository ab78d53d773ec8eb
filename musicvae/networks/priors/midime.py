"""Floor 5: a small VAE over the latents of few songs, and a linear prior over its paths.

A few songs fill a small part of the latent space. A second VAE of few dimensions learns where, with
the big one frozen (Dinculescu, Engel and Roberts 2019); how its windows follow from one another is
told by a `LinearGaussianPrior` over its own latents. What it does not explain is drawn as noise. All that
takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from musicvae.arrays import Floats32, Ints
from musicvae.networks.priors.conditioning import EncodedPaths, KnownLatents, PathConditioning
from musicvae.networks.priors.gaussian import LinearGaussianPrior, alike, covariance, factor

_RATE, _BETA, _MOST = 3e-3, 0.03, 1024


class MidiMePrior(nn.Module):
    """`z` `(Z,)` of a window from `latent` numbers, standardised by `shift` and `scale`."""

    def __init__(self, Z: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(Z, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, Z))
        self.shift: Tensor
        self.scale: Tensor
        self.rest: Tensor
        self.register_buffer("shift", torch.zeros(Z))
        self.register_buffer("scale", torch.ones(Z))
        self.register_buffer("rest", torch.eye(Z))
        self.path: LinearGaussianPrior | None = None

    def posterior(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the small latents of windows: `(B, Z)` to twice `(B, latent)`."""
        mu, logvar = self.encoder((z - self.shift) / self.scale).chunk(2, -1)
        return mu, (0.5 * logvar.clamp(-8, 4)).exp()

    def decode(self, small: Tensor) -> Tensor:
        """`z` `(..., Z)` of small latents `(..., latent)`."""
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
        """Learn these paths: the ELBO of `z` drawn from the posteriors, by Adam."""
        generator = torch.Generator().manual_seed(seed)
        mu, sigma = (torch.from_numpy(each.astype(np.float32)) for each in (paths.mu, paths.sigma))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            small = cls(mu.shape[1], latent, hidden)
        small.shift.copy_(mu.mean(0))
        small.scale.copy_((mu.var(0, unbiased=False) + (sigma**2).mean(0) + 1e-4).sqrt())
        optimizer = torch.optim.AdamW(small.parameters(), lr=_RATE, weight_decay=0.01)
        with torch.enable_grad():
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = _RATE * (1 - step / steps)
                some = torch.randint(len(mu), (min(len(mu), _MOST),), generator=generator)
                drawn = torch.randn(mu[some].shape, generator=generator)
                z = mu[some] + sigma[some] * drawn
                mean, spread = small.posterior(z)
                h = mean + spread * torch.randn(mean.shape, generator=generator)
                off = ((small.decode(h) - z) / small.scale) ** 2
                kl = 0.5 * (mean**2 + spread**2 - 1) - spread.log()
                loss = 0.5 * off.sum(-1).mean() + _BETA * kl.sum(-1).mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        small.requires_grad_(False).eval()
        mean, spread = small.posterior(mu)
        small.rest.copy_(torch.from_numpy(factor(covariance((mu - small.decode(mean)).numpy()))))
        own = replace(paths, mu=mean.numpy(), sigma=spread.numpy())
        small.path = LinearGaussianPrior.fit(own, n_meters)
        return small

    def sample(
        self,
        frame: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        given: KnownLatents | None = None,
        tied: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """EncodedPaths `(n, W, Z)` for songs of this frame `(n, W)`; `given`, `tied` and `amount` as in
        `LinearGaussianPrior.sample`.
        """
        assert self.path is not None
        small = given
        if given is not None:
            mean, _ = self.posterior(torch.from_numpy(given.z.astype(np.float32)))
            small = replace(given, z=mean.numpy())
        drawn = self.path.sample(
            frame, temperature=temperature, rng=rng, given=small, tied=tied, amount=amount
        )
        z = self.decode(torch.from_numpy(drawn)).numpy()
        rest = rng.standard_normal(z.shape, dtype=np.float32) @ self.rest.numpy().T
        rest = np.float32(temperature) * alike(rest, tied)
        if given is None or small is None:
            return np.asarray(z + rest, np.float32)
        # What the small VAE does not say of the given songs goes with them, the nearer the more.
        own = given.z - self.decode(torch.from_numpy(small.z)).numpy()
        turn = amount * np.pi / 2 if amount < 1 else np.pi / 2
        z = z + np.cos(turn) * own + np.sin(turn) * rest
        whole = given.whole(frame)[..., None] & (amount >= 1)
        return np.asarray(np.where(whole, given.z, z), np.float32)

    def tensors(self) -> dict[str, Floats32]:
        """What a checkpoint keeps; `from_tensors` is the inverse."""
        assert self.path is not None
        own = {f"small.{name}": tensor.numpy() for name, tensor in self.state_dict().items()}
        return own | {f"path.{name}": tensor for name, tensor in self.path.tensors().items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> MidiMePrior:
        """The inverse of `tensors`; what is not there or does not fit is a `RuntimeError`."""
        own = {n.removeprefix("small."): t.float() for n, t in tensors.items() if n[0] == "s"}
        try:
            hidden, Z = own["encoder.0.weight"].shape
            small = cls(Z, own["decoder.0.weight"].shape[1], hidden)
            small.path = LinearGaussianPrior(
                **{n.removeprefix("path."): t.numpy() for n, t in tensors.items() if n[0] == "p"}
            )
        except (KeyError, TypeError) as error:
            raise RuntimeError(f"no {error}") from None
        small.load_state_dict(own)
        return small.requires_grad_(False).eval()
