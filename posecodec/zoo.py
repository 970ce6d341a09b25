"""Weights files: NAME.safetensors, which alone decides what is decoded, and NAME.json, which tells people about it.

The safetensors file holds tensors and, in its metadata, settings such as the skeleton; its SHA-256 is the
weights' identity and stands in every file encoded with them. The card beside it repeats these and adds how they were
trained. Reading either loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from posecodec.errors import WeightsError
from posecodec.io.replacing import replace_file

FOLDERS = (Path(__file__).parent / "weights", Path(__file__).parent.parent / "weights")
"""In an installed wheel, and in a checkout."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A weights file in memory.

    name: of the file. sha256: of its bytes, hexadecimal. tensors: by name. settings: "dims", "skeleton", "licence" and what
    else decides what is decoded, as JSON values.
    """

    name: str
    sha256: str
    tensors: dict[str, NDArray[Any]] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> bytes:
        """What a bitstream names them by: the first 4 bytes of the hash."""
        return bytes.fromhex(self.sha256[:8])


def find_weights(name: str | Path) -> Path:
    """The safetensors file of a built-in name, or at a path. Raises WeightsError naming those that exist."""
    path = Path(name)
    if path.suffix == ".safetensors" or path.exists():
        if not path.is_file():
            raise WeightsError(f"no weights at {path}; give a .safetensors file or one of {', '.join(list_weights())}")
        return path
    for folder in FOLDERS:
        if (folder / f"{name}.safetensors").is_file():
            return folder / f"{name}.safetensors"
    known = ", ".join(list_weights()) or "none"
    raise WeightsError(f"no weights named {name!r}; there are {known} (see `posecodec models`)")


def list_weights() -> list[str]:
    """Names of the built-in weights, sorted."""
    return sorted({file.stem for folder in FOLDERS if folder.is_dir() for file in folder.glob("*.safetensors")})


def read_weights(name: str | Path) -> Weights:
    """Load and check weights. Raises WeightsError if they are missing, damaged, or not what their card says."""
    path = find_weights(name)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    stated = read_card(path).get("sha256", digest)
    if stated != digest:
        raise WeightsError(f"{path} has SHA-256 {digest[:12]}..., its card says {str(stated)[:12]}...; get it again")
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        settings = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["posecodec"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is not a posecodec weights file: {error}; get it again") from error
    return Weights(path.stem, digest, tensors, settings)


def check_named(named: bytes, weights: Weights | None) -> None:
    """Whether a file that names weights by their id was encoded with these. Raises WeightsError."""
    if named and weights is None:
        raise WeightsError(f"the file was encoded with weights {named.hex()}; pass them with -m")
    if named and weights is not None and named != weights.id:
        ours = f"these are {weights.sha256[:8]} ({weights.name})"
        raise WeightsError(f"the file was encoded with weights {named.hex()}, {ours}; pass the right ones with -m")


def find_named(named: bytes) -> str | None:
    """The built-in weights of an id, None of b"". Raises WeightsError that tells the id and theirs."""
    if not named:
        return None
    hashes = {name: str(read_card(find_weights(name)).get("sha256", "")) for name in list_weights()}
    for name, digest in hashes.items():
        if digest[:8] == named.hex():
            return name
    known = ", ".join(f"{name} is {digest[:8]}" for name, digest in hashes.items())
    raise WeightsError(f"the file was encoded with weights {named.hex()}; {known}; give its own with -m PATH")


def read_card(path: Path) -> dict[str, Any]:
    """The JSON beside a weights file; {} without one. Raises WeightsError if it is no JSON object."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        return {}
    try:
        values = json.loads(beside.read_text())
    except ValueError as error:
        raise WeightsError(f"{beside} is not JSON: {error}; get it again") from error
    return values if isinstance(values, dict) else {}


def write_weights(
    path: Path, tensors: dict[str, NDArray[Any]], settings: dict[str, Any], about: dict[str, Any]
) -> dict[str, Any]:
    """Write PATH.safetensors and PATH.json; `about` goes into the card only. Returns the card.

    Floating-point tensors are stored, and from then on used, as float16.
    """
    halves = {name: t.astype(np.float16) if t.dtype.kind == "f" else t for name, t in tensors.items()}
    packed = {name: np.ascontiguousarray(t) for name, t in halves.items()}
    data = save(packed, metadata={"posecodec": json.dumps(settings, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path.with_suffix(".safetensors"), data)
    values = {"name": path.stem, "sha256": hashlib.sha256(data).hexdigest(), **about, **settings}
    replace_file(path.with_suffix(".json"), f"{json.dumps(values, indent=1)}\n".encode())
    return values
