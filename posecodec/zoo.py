"""Weights files: NAME.safetensors, which alone decides what is decoded, and NAME.json, which tells people about it.

The safetensors file holds tensors and, in its metadata, settings such as the skeleton; its SHA-256 is the
weights' identity and stands in every file encoded with them. The card beside it repeats these and adds how they were
trained. Reading either loads no torch.

Weights are input as recordings are: without a card that gives their hash they are not taken, and each kind of them states a
`Rule` for every tensor that compiled code reads, which `check_tensors` looks at before it does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from posecodec.errors import PosecodecError, WeightsError
from posecodec.io.replacing import replace_file

FOLDERS = (Path(__file__).parent / "weights", Path(__file__).parent.parent / "weights")
"""In an installed wheel, and in a checkout."""
NC_PACKAGE = "posecodec_weights_nc"  # Weights that are not free, a package of their own: weights/nc in a checkout
SEARCH_PATH = "POSECODEC_WEIGHTS"  # Environment variable of folders with weights of one's own, as PATH has them
_MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What is raised of weights where nothing was checked before."""


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
    """The safetensors file of a built-in name, or at a path. Raises WeightsError naming those that exist.

    What happens to lie in the working directory under a built-in name is not taken for it.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise WeightsError(f"no weights at {path}; give a .safetensors file or one of {', '.join(list_weights())}")
        return path
    for folder in list_folders():
        if (folder / f"{name}.safetensors").is_file():
            return folder / f"{name}.safetensors"
    if path.is_file():
        return path
    known = ", ".join(list_weights()) or "none"
    if path.name.endswith("-nc"):
        known += "; those for non-commercial use are a package of their own, weights/nc in the repository"
    beside = path.with_name(f"{path.name}.safetensors")
    if path.name and beside.is_file():
        raise WeightsError(f"no weights named {str(name)!r}; give the whole path, {beside}")
    raise WeightsError(f"no weights named {str(name)!r}; there are {known} (see `posecodec models`)")


def list_folders() -> tuple[Path, ...]:
    """Where weights are looked for: the folders of POSECODEC_WEIGHTS, those that come with posecodec, and NC_PACKAGE."""
    own = [Path(folder) for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if folder]
    spec = find_spec(NC_PACKAGE)
    installed = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return (*own, *FOLDERS, *(folder / "nc" / NC_PACKAGE for folder in FOLDERS), *installed)


def list_weights() -> list[str]:
    """Names of the weights that are found, sorted; those of a folder among them with its name: "paper/m2d-3d-keypoints"."""
    found = ((folder, file) for folder in list_folders() for file in folder.rglob("*.safetensors"))
    names = {file.relative_to(folder).with_suffix("").as_posix() for folder, file in found}
    return sorted(name for name in names if NC_PACKAGE not in name)


@dataclass(frozen=True)
class Rule:
    """What a tensor has to be.

    dtype: "f" for floats of any size, or the name of a kind of integers. shape: a letter is the same number wherever it
    stands. low, high: what all values are within. holds: what else is true of it, if anything; its name says it.
    """

    dtype: str
    shape: tuple[int | str, ...]
    low: float
    high: float
    holds: Callable[[NDArray[Any]], bool] | None = None

    def find_fault(self, tensor: NDArray[Any], sizes: dict[str, int]) -> str | None:
        """What is wrong with a tensor; None if nothing is. sizes: what letters stand for, to which others are added."""
        kind = tensor.dtype.kind if self.dtype == "f" else tensor.dtype.name
        if kind != self.dtype:
            return f"of type {tensor.dtype}, not {'float' if self.dtype == 'f' else self.dtype}"
        if len(tensor.shape) == len(self.shape):
            for size, found in zip(self.shape, tensor.shape, strict=True):
                if isinstance(size, str) and found:
                    sizes.setdefault(size, found)
        wanted = tuple(sizes.get(size) if isinstance(size, str) else size for size in self.shape)
        if tensor.shape != wanted:
            return f"of shape {tensor.shape}, not ({', '.join(str(size or '?') for size in wanted)})"
        if tensor.size and not (self.low <= tensor.min() and tensor.max() <= self.high):  # so is NaN not
            return f"{tensor.min()} to {tensor.max()}, which is not within {self.low:g} to {self.high:g}"
        if self.holds is not None and not self.holds(tensor):
            return f"one of which this is not true: {self.holds.__name__.replace('_', ' ')}"
        return None


def check_tensors(
    tensors: Mapping[str, NDArray[Any]], rules: Mapping[str, Rule], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Whether there is each tensor that there is a rule for, and as it says: the numbers that its letters stand for.

    sizes: those that are known before. Raises WeightsError.
    """
    found = dict(sizes or {})
    for name, rule in rules.items():
        fault = rule.find_fault(tensors[name], found) if name in tensors else "missing"
        if fault:
            raise WeightsError(f"{name} is {fault}")
    return found


@contextlib.contextmanager
def name_weights(name: str) -> Iterator[None]:
    """Whatever goes wrong while weights are unpacked is a WeightsError that names them."""
    try:
        yield
    except (*_MISTAKES, PosecodecError) as error:
        what = str(error) if isinstance(error, PosecodecError) else f"{type(error).__name__}: {error}"
        raise WeightsError(f"weights {name!r} do not fit this posecodec: {what}; get them again") from error


def read_weights(name: str | Path) -> Weights:
    """Load weights. Raises WeightsError if they are missing, damaged, or not what their card says."""
    path = find_weights(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    digest, stated = hashlib.sha256(data).hexdigest(), read_card(path).get("sha256")
    if stated is None:
        beside = path.with_suffix(".json")
        raise WeightsError(f"{beside}, which gives the SHA-256 of {path}, is missing or lacks it; get both files")
    if stated != digest:
        raise WeightsError(f"{path} has SHA-256 {digest[:12]}..., its card says {str(stated)[:12]}...; get it again")
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        settings = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["posecodec"])
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is not a posecodec weights file: {error}; get it again") from error
    if not isinstance(settings, dict):
        raise WeightsError(f"{path} is not a posecodec weights file: it has no settings; get it again")
    return Weights(path.stem, digest, tensors, settings)


def check_named(named: bytes, weights: Weights | None) -> None:
    """Whether a file that names weights by their id was encoded with these. Raises WeightsError."""
    if named and weights is None:
        raise WeightsError(f"the file was encoded with weights {named.hex()}; pass them with -m")
    if named and weights is not None and named != weights.id:
        ours = f"these are {weights.sha256[:8]} ({weights.name})"
        raise WeightsError(f"the file was encoded with weights {named.hex()}, {ours}; pass the right ones with -m")


def find_named(named: bytes) -> str | None:
    """The weights of an id among those that are found, None of b"". Raises WeightsError that tells the id and theirs."""
    if not named:
        return None
    hashes = {name: str(read_card(find_weights(name)).get("sha256", "")) for name in list_weights()}
    for name, digest in hashes.items():
        if digest[:8] == named.hex():
            return name
    known = ", ".join(f"{name} is {digest[:8]}" for name, digest in hashes.items())
    remedy = f"give its own with -m PATH, or their folder as {SEARCH_PATH}"
    raise WeightsError(f"the file was encoded with weights {named.hex()}; {known}; {remedy}")


def read_card(path: Path) -> dict[str, Any]:
    """The JSON beside a weights file; {} without one. Raises WeightsError if it is no JSON object."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        return {}
    try:
        values = json.loads(beside.read_text("utf-8"))
    except (OSError, RecursionError, ValueError) as error:
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
