"""Stored weights: bounds on the sizes of networks, and what is refused before memory is taken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from musicvae.config.preset import load_preset, preset_names
from musicvae.networks import weights
from musicvae.networks.priors import flow, midime
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior
from musicvae.networks.vae import VAE
from musicvae.networks.weights import MAX_UNCHECKED_WEIGHTS, load_network, max_vae_weights
from support.networks import tiny_preset
from support.priors import small_prior_preset

SIZES = [
    ["width=2", "hidden=1", "rank=1", "blocks=1", "kernel=1", "latent=1"],
    ["width=8", "hidden=8", "rank=300", "blocks=1", "kernel=1", "latent=200"],
    ["width=64", "hidden=16", "rank=4", "blocks=7", "kernel=7", "latent=3"],
    ["width=16", "hidden=256", "rank=8", "blocks=2", "kernel=3", "latent=16"],
]
EVERYTHING = ["attention=true", "encode_offsets=true"]
EXPRESSION = ["velocity=true", "microtiming=true"]


def n_elements(network: nn.Module) -> int:
    return sum(each.numel() for each in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("encoder", ["linear", "recurrent"])
@pytest.mark.parametrize("decoder", ["cells", "list", "flat", "roll"])
@pytest.mark.parametrize("slices", ["bar", "quarter", "window"])
def test_no_network_has_more_weights_than_its_bound(
    encoder: str, decoder: str, slices: str
) -> None:
    options = EVERYTHING + (EXPRESSION if decoder != "roll" else [])
    for sizes in SIZES:
        for extra in ([], options):
            settings = [f"model.{each}" for each in (f"encoder={encoder}", *sizes, *extra)]
            preset = tiny_preset(decoder, slices, *settings)
            with torch.device("meta"):
                network = VAE(preset)
            assert n_elements(network) <= max_vae_weights(preset)


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_below_the_limit(name: str) -> None:
    preset = load_preset(name)
    assert n_elements(VAE(preset)) <= max_vae_weights(preset) < MAX_UNCHECKED_WEIGHTS / 4


def test_bounds_of_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[float] = []

    def load(make, tensors, max_weights: float) -> nn.Module:
        bounds.append(max_weights)
        return load_network(make, tensors, max_weights)

    monkeypatch.setattr(flow, "load_network", load)
    monkeypatch.setattr(midime, "load_network", load)
    for settings in ([], ["prior.width=32", "prior.layers=1"], ["prior.layers=9"]):
        prior = FlowPrior.from_preset(small_prior_preset(1).with_settings(settings))
        FlowPrior.from_tensors(prior.state_dict())
        assert n_elements(prior) <= bounds[-1] < MAX_UNCHECKED_WEIGHTS / 4
    for Z, latent, hidden in ((1, 1, 1), (64, 12, 96), (7, 30, 2), (3, 2, 400)):
        small = MidiMePrior(Z, latent, hidden)
        small.path_prior = LinearGaussianPrior.standard_normal(latent, 3)
        MidiMePrior.from_tensors({n: torch.from_numpy(t) for n, t in small.tensors().items()})
        assert n_elements(small) <= bounds[-1] < MAX_UNCHECKED_WEIGHTS / 4


def test_large_network_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load_preset("tiny").with_settings(["model.width=8192", "model.blocks=64"])
    assert max_vae_weights(preset) > MAX_UNCHECKED_WEIGHTS
    tensors: dict[str, Tensor] = VAE(load_preset("tiny")).state_dict()
    built: list[torch.device] = []

    def build(preset) -> VAE:
        built.append(torch.empty(0).device)
        return VAE(preset)

    monkeypatch.setattr(weights, "VAE", build)
    with pytest.raises(RuntimeError, match=r"no tensor|is .*, not "):
        weights.load_vae(preset, tensors)
    assert [device.type for device in built] == ["meta"]
