"""Files of latents (`.z`): read and write encodings; `docs/compression.md` describes the format.

One safetensors file with `mu`, `sigma`, the other fields of the encoding as compressed JSON, and a
header that names the model. Nothing is pickled, and no note that the model can decode is stored.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.errors import MusicVAEError, ReadError, os_reason
from musicvae.latent.encoding import Encoding
from musicvae.latent.quantization import Quantization, dequantize, quantize
from musicvae.latent.serialization import from_dict, to_dict
from musicvae.storage import write_bytes

FORMAT = 1
SUFFIX = ".z"
MAX_METADATA_BYTES = 1 << 24  # of the decompressed JSON
MAX_LATENTS = 1 << 24
_MAX_DETAIL = 160  # characters of a reason
_HEADER = "musicvae-song"


@dataclass(frozen=True, kw_only=True)
class LatentFile:
    """The content of a `.z` file: an encoding, and the checkpoint's name and hash."""

    encoding: Encoding
    checkpoint: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class FileSizes:
    """Sizes in bytes of the parts of a `.z` file and of the whole `file`.

    `latents` are `mu` alone; `metadata` is all that the song needs beside `mu` and `sigma`.
    """

    latents: int
    sigma: int
    metadata: int
    file: int


def save(
    encoding: Encoding,
    path: str | Path,
    *,
    checkpoint: str = "",
    quantization: Quantization | None = None,
) -> FileSizes:
    """Write an encoding to a `.z` file; the inverse is `load`.

    Args:
        encoding: what to write; it carries the checkpoint's hash.
        path: the file.
        checkpoint: name of the checkpoint, as `checkpoints.find` takes it.
        quantization: how to quantize the latents; by default they are stored as float32.

    Raises `WriteError`, and `ConfigError` if the latents cannot be quantized in this way.
    """
    from safetensors.numpy import save as to_safetensors

    header: dict[str, Any] = {
        "format": FORMAT,
        "checkpoint": checkpoint,
        "hash": encoding.checkpoint,
        "shape": list(encoding.mu.shape),
    }
    text = json.dumps(to_dict(encoding), separators=(",", ":"), ensure_ascii=False)
    metadata = zlib.compress(text.encode("utf-8", "surrogatepass"), 9)
    if quantization is None:
        tensors = {"mu": encoding.mu, "sigma": encoding.sigma}
        header["coding"] = "float32"
    else:
        mu, sigma, unit = quantize(encoding.mu, encoding.sigma, quantization)
        tensors = {"mu": np.frombuffer(mu, np.uint8), "sigma": np.frombuffer(sigma, np.uint8)}
        header |= {"coding": "bits" if quantization.step is None else "sigmas", "unit": unit}
    tensors["frame"] = np.frombuffer(metadata, np.uint8)
    text = json.dumps(header, separators=(",", ":"))
    content = to_safetensors(tensors, {_HEADER: text})
    write_bytes(path, content)
    return FileSizes(
        latents=tensors["mu"].nbytes,
        sigma=tensors["sigma"].nbytes,
        metadata=len(metadata),
        file=len(content),
    )


def load(path: str | Path) -> LatentFile:
    """Read a file that `save` wrote; raise `ReadError` for any other."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(_HEADER)
            if text is None:
                raise ReadError(path, "not a file of latents", "make one with: musicvae encode")
            header = json.loads(text)
            if header.get("format") != FORMAT:
                reason = f"format {header.get('format')}, this version reads {FORMAT}"
                raise ReadError(path, reason, "upgrade musicvae")
            tensors = {name: file.get_tensor(name) for name in ("mu", "sigma", "frame")}
        fields = _read_metadata(tensors["frame"])
        _check_shape(header["shape"], fields)
        name, digest = header["checkpoint"], header["hash"]
        if not (isinstance(name, str) and isinstance(digest, str)):
            raise ValueError("invalid name of a checkpoint")
        encoding = Encoding(**_read_latents(header, tensors), **fields, checkpoint=digest)
    except ReadError:
        raise
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None
    except SafetensorError as error:
        raise ReadError(path, f"damaged, or not a file of latents ({error})") from None
    except MusicVAEError as error:
        raise ReadError(path, f"damaged ({error})", "encode the song again") from None
    except (
        *(ValueError, KeyError, TypeError, IndexError, AttributeError),
        *(OverflowError, RecursionError),
    ) as error:
        reason = str(error).splitlines()[0][:_MAX_DETAIL] if str(error) else type(error).__name__
        raise ReadError(path, f"damaged ({reason})", "encode the song again") from None
    return LatentFile(encoding=encoding, checkpoint=name, hash=digest)


def _read_latents(header: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    shape = tuple(header["shape"])
    if header["coding"] == "float32":
        mu, sigma = (np.asarray(tensors[name], np.float32) for name in ("mu", "sigma"))
    elif header["coding"] in ("sigmas", "bits"):
        if not 0 < float(header["unit"]) < math.inf:
            raise ValueError("invalid unit of the latents")
        mu_bytes, sigma_bytes = (
            tensors[name].astype(np.uint8).tobytes() for name in ("mu", "sigma")
        )
        in_sigmas = header["coding"] == "sigmas"
        mu, sigma = dequantize(mu_bytes, sigma_bytes, float(header["unit"]), shape, in_sigmas)
    else:
        raise ValueError(f"unknown coding {header['coding']!r}")
    if mu.shape != shape or sigma.shape != shape:
        raise ValueError("invalid latent shape")
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()) or (sigma < 0).any():
        raise ValueError("latents contain NaN or inf, or a negative sigma")
    return {"mu": mu, "sigma": sigma}


def _read_metadata(packed: Any) -> dict[str, Any]:
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(packed.astype(np.uint8).tobytes(), MAX_METADATA_BYTES)
        metadata = json.loads(text.decode("utf-8", "surrogatepass"))
    except (zlib.error, RecursionError) as error:
        raise ValueError(str(error)) from None
    return from_dict(metadata)


def _check_shape(shape: Any, fields: dict[str, Any]) -> None:
    """Raise `ValueError` unless latents of a shape `(G, W, Z)` can be those of a song."""
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("invalid latent shape")
    if len(shape) != 3 or math.prod(shape) > MAX_LATENTS or (not shape[2] and math.prod(shape[:2])):
        raise ValueError("invalid latent shape")
    n_bars = len(fields["bars"])
    if not len(fields["source_parts"]) == len(fields["active"]) == shape[0] or (
        shape[0] and not min(n_bars, 1) <= shape[1] <= max(n_bars, 1)
    ):
        raise ValueError("latents do not match the bars")
