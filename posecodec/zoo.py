"""Weights files: NAME.safetensors, which alone decides what is decoded, and NAME.json, which tells people about it.

The safetensors file holds tensors and, in its metadata, the config, normalization and skeleton; its SHA-256 is the
weights' identity and stands in every file encoded with them. The card beside it repeats these and adds how they were
trained. Reading either loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from posecodec.errors import WeightsError

PLACES = (Path(__file__).parent.parent / "weights", Path(__file__).parent.parent.parent / "weights")
"""In an installed wheel, and in a checkout."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A weights file in memory.

    name: of the file. sha256: of its bytes, hexadecimal. tensors: by name. settings: "config", "normalization",
    "skeleton", "default_levels", as JSON values.
    """

    name: str
    sha256: str
    tensors: dict[str, NDArray[Any]]
    settings: dict[str, Any]

    @property
    def id(self) -> bytes:
        """What a bitstream names them by: the first 4 bytes of the hash."""
        return bytes.fromhex(self.sha256[:8])


def find(name: str | Path) -> Path:
    """The safetensors file of a built-in name, or at a path. Raises WeightsError naming those that exist."""
    path = Path(name)
    if path.suffix == ".safetensors" or path.exists():
        if not path.is_file():
            raise WeightsError(f"no weights at {path}; give a .safetensors file or one of {', '.join(names())}")
        return path
    for place in PLACES:
        if (place / f"{name}.safetensors").is_file():
            return place / f"{name}.safetensors"
    raise WeightsError(f"no weights named {name!r}; there are {', '.join(names()) or 'none'} (see `posecodec models`)")


def names() -> list[str]:
    """Built-in weights, sorted."""
    return sorted({file.stem for place in PLACES if place.is_dir() for file in place.glob("*.safetensors")})


def read(name: str | Path) -> Weights:
    """Load and check weights. Raises WeightsError if they are missing, damaged, or not what their card says."""
    path = find(name)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    stated = card(path).get("sha256", digest)
    if stated != digest:
        raise WeightsError(f"{path} has SHA-256 {digest[:12]}..., its card says {str(stated)[:12]}...; get it again")
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        settings = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["posecodec"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is not a posecodec weights file: {error}; get it again") from error
    return Weights(path.stem, digest, tensors, settings)


def card(path: Path) -> dict[str, Any]:
    """The JSON beside a weights file; {} without one. Raises WeightsError if it is no JSON object."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        return {}
    try:
        values = json.loads(beside.read_text())
    except ValueError as error:
        raise WeightsError(f"{beside} is not JSON: {error}; get it again") from error
    return values if isinstance(values, dict) else {}


def write(
    path: Path, tensors: dict[str, NDArray[Any]], settings: dict[str, Any], about: dict[str, Any]
) -> dict[str, Any]:
    """Write PATH.safetensors and PATH.json; `about` goes into the card only. Returns the card.

    Floating-point tensors are stored, and from then on used, as float16.
    """
    packed = {
        name: np.ascontiguousarray(t.astype(np.float16) if t.dtype.kind == "f" else t) for name, t in tensors.items()
    }
    data = save(packed, metadata={"posecodec": json.dumps(settings, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".safetensors").write_bytes(data)
    values = {"name": path.stem, "sha256": hashlib.sha256(data).hexdigest(), **about, **settings}
    path.with_suffix(".json").write_text(json.dumps(values, indent=1) + "\n")
    return values
