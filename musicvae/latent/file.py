"""Floor 6: an encoding <-> a file, `docs/compression.md` says what is in it.

One safetensors file: `mu` and `sigma`, the frame as packed JSON, and a header that says which model
made it. Nothing is pickled, and no note that the model can make is in it.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.errors import ReadError, os_reason
from musicvae.latent.encoding import Encoding
from musicvae.latent.quantization import Quantization, dequantize, quantize
from musicvae.latent.serialization import told, from_dict
from musicvae.storage import write_bytes

FORMAT = 1
SUFFIX = ".z"
_HEADER = "musicvae-song"
_MOST_BYTES = 1 << 26  # of a frame when unpacked
_MOST_LATENTS = 1 << 27


@dataclass(frozen=True, kw_only=True)
class LatentFile:
    """A file of latents: the encoding, and the checkpoint that made it, by name and hash."""

    encoding: Encoding
    checkpoint: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class FileSizes:
    """What a file takes, in bytes: `latents` are `mu`, `sigma` apart, `frame` all else that the
    song needs, `file` everything with the header.
    """

    latents: int
    sigma: int
    frame: int
    file: int


def save(
    encoding: Encoding, path: str | Path, *, checkpoint: str = "", coding: Quantization | None = None
) -> FileSizes:
    """Write an encoding; the inverse is `load`.

    `checkpoint`: what `checkpoints.find` knows the model by; its hash is in the encoding. Without
    `coding` latents are kept as they are. Raises `WriteError`, and `ConfigError` where they cannot
    be rounded so.
    """
    from safetensors.numpy import save as to_safetensors

    header: dict[str, Any] = {
        "format": FORMAT,
        "checkpoint": checkpoint,
        "hash": encoding.checkpoint,
        "shape": list(encoding.mu.shape),
    }
    text = json.dumps(told(encoding), separators=(",", ":"), ensure_ascii=False)
    frame = zlib.compress(text.encode("utf-8", "surrogatepass"), 9)
    if coding is None:
        tensors = {"mu": encoding.mu, "sigma": encoding.sigma}
        header["coding"] = "float32"
    else:
        mu, sigma, unit = quantize(encoding.mu, encoding.sigma, coding)
        tensors = {"mu": np.frombuffer(mu, np.uint8), "sigma": np.frombuffer(sigma, np.uint8)}
        header |= {"coding": "bits" if coding.step is None else "sigmas", "unit": unit}
    tensors["frame"] = np.frombuffer(frame, np.uint8)
    text = json.dumps(header, separators=(",", ":"))
    content = to_safetensors(tensors, {_HEADER: text})
    write_bytes(path, content)
    return FileSizes(
        latents=tensors["mu"].nbytes,
        sigma=tensors["sigma"].nbytes,
        frame=len(frame),
        file=len(content),
    )


def load(path: str | Path) -> LatentFile:
    """Read what `save` wrote. Raises `ReadError` for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(_HEADER)
            if text is None:
                raise ReadError(path, "not a song in latents", "make one with: musicvae encode")
            header = json.loads(text)
            if header.get("format") != FORMAT:
                reason = f"format {header.get('format')}, this version reads {FORMAT}"
                raise ReadError(path, reason, "upgrade musicvae")
            tensors = {name: file.get_tensor(name) for name in ("mu", "sigma", "frame")}
        encoding = Encoding(**_latents(header, tensors), **_frame(tensors["frame"]),
                            checkpoint=str(header["hash"]))  # fmt: skip
        _check(encoding)
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None
    except SafetensorError as error:
        raise ReadError(path, f"damaged, or not a song in latents ({error})") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ReadError(path, f"damaged ({error})", "encode the song anew") from None
    return LatentFile(encoding=encoding, checkpoint=str(header["checkpoint"]), hash=str(header["hash"]))


def _latents(header: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    shape = tuple(int(n) for n in header["shape"])
    if len(shape) != 3 or min(shape) < 0 or int(np.prod(shape, dtype=object)) > _MOST_LATENTS:
        raise ValueError("latents of no shape")
    if header["coding"] == "float32":
        mu, sigma = (np.asarray(tensors[name], np.float32) for name in ("mu", "sigma"))
    elif header["coding"] in ("sigmas", "bits"):
        one, other = (tensors[name].astype(np.uint8).tobytes() for name in ("mu", "sigma"))
        in_sigmas = header["coding"] == "sigmas"
        mu, sigma = dequantize(one, other, float(header["unit"]), shape, in_sigmas)
    else:
        raise ValueError(f"coding {header['coding']!r} is not known")
    if mu.shape != shape or sigma.shape != shape or not np.isfinite([mu, sigma]).all():
        raise ValueError("latents that are none")
    return {"mu": mu, "sigma": sigma}


def _frame(packed: Any) -> dict[str, Any]:
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(packed.astype(np.uint8).tobytes(), _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return from_dict(json.loads(text.decode("utf-8", "surrogatepass")))


def _check(encoding: Encoding) -> None:
    G, W, _ = encoding.mu.shape
    if len(encoding.owners) != G or len(encoding.active) != G or max(len(encoding.bars), 1) < W:
        raise ValueError("its latents do not fit its bars")
