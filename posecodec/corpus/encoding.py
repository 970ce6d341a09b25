"""One recording to a row of a shard. What goes wrong becomes the row's error: a corpus is never ended by one file."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecodec.errors import DataWarning, InputError, describe_failure
from posecodec.files import choose_weights, encode, get_codec
from posecodec.io import load
from posecodec.io.byte_source import ByteSource, is_url

if TYPE_CHECKING:
    from posecodec.codec import Encoded


@dataclass(frozen=True)
class Options:
    """How recordings are read and encoded: keyword arguments of `posecodec.io.load` and of `posecodec.encode`.

    tokens: whether a row also has the tokens as numbers, in the order of their vocabulary.
    """

    reading: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    tokens: bool = False


@functools.cache
def settle_process() -> None:
    """To be called once by a process that does nothing but encode recordings: what is loaded by now stays, and is not looked
    at again by the garbage collector, which takes up to a tenth of the time where much is loaded."""
    from posecodec.coders import registry

    registry.build_coders()
    gc.freeze()


def encode_row(row: dict[str, Any], options: Options) -> dict[str, Any]:
    """The row of a shard for a row of a manifest: the file, or `error`."""
    found: dict[str, Any] = {"id": row["id"], "source": row["source"], "bytes_in": row.get("bytes")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with bring_here(row["source"]) as path:
                found |= _encode(path, options)
        except Exception as error:  # of whatever kind: it is this row's
            found["error"] = describe_failure(error)
    told = dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, DataWarning))
    return {**found, "notes": list(told)}


@contextlib.contextmanager
def bring_here(source: str) -> Iterator[Path]:
    """A recording as a file on this machine, under its own name."""
    if not is_url(source):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory() as folder, ByteSource(source) as remote:
        path = Path(folder) / source.rsplit("/", 1)[-1]
        path.write_bytes(remote.read(0, remote.size))
        yield path


def _encode(path: Path, options: Options) -> dict[str, Any]:
    sequence = load(path, **options.reading)
    encoded = encode(sequence, **options.target)
    report, weights = encoded.report, options.target.get("weights") or choose_weights(sequence, "levels")
    return {
        "posec": encoded.data, "frames": sequence.frames, "fps": sequence.rate, "people": sequence.people,
        "skeleton": sequence.skeleton.name, "dims": sequence.dims, "unit": sequence.unit, "bytes_out": report.bytes,
        "bits_per_frame": report.bits_per_frame, "mean_error": report.mean_error, "max_error": report.max_error,
        "sha256": hash_source(path), "tokens": _list_tokens(encoded, weights) if options.tokens else None,
    }  # fmt: skip


def _list_tokens(encoded: Encoded, weights: str | None) -> list[int]:
    """The stream of a file of tokens. Raises InputError where it has none, or numbers too large for the column."""
    if not encoded.tokens:
        raise InputError("nobody is ever there, so there are no tokens")
    stream = get_codec(weights).tokenizer.vocabulary(encoded.tokens[0].levels)
    if stream.size > 1 << 15:
        raise InputError(f"a vocabulary of {stream.size} tokens, more than the column holds (32,768)")
    return [int(token) for token in stream.flatten(encoded.tokens)]


def hash_source(path: Path) -> str:
    """Of a file, or of all files in a folder, by name."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()
