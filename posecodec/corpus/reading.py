"""Recordings out of shards, on this machine or behind a URL: by id, by number, or all in turn.

One recording takes three requests of a few kilobytes: what the corpus is, the index of its shard, and its own bytes.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.header import MAGIC
from posecodec.corpus.manifest import choose_shard
from posecodec.corpus.shards import INFO, Layout, check_info
from posecodec.corpus.tables import read_table
from posecodec.errors import CorruptError, InputError
from posecodec.files import decode
from posecodec.io.byte_source import ByteSource, is_url
from posecodec.pose.sequence import PoseSequence

SOME = [
    "id",
    "frames",
    "fps",
    "people",
    "skeleton",
    "dims",
    "unit",
    "bytes_in",
    "bytes_out",
    "mean_error",
    "max_error",
    "error",
]
"""Columns that are read of all shards: everything but the files and texts."""


class Corpus:
    """Shards to read from: `corpus["walks/a.npz"]`, `corpus[3]`, `for sequence in corpus`, `corpus.filter(...)`.

    root: the folder that `posecodec corpus encode` wrote, or its URL. A number counts the recordings that were encoded, by
    shard and id. Raises InputError where there is no corpus.
    """

    def __init__(self, root: str | Path, rows: list[dict[str, Any]] | None = None) -> None:
        self.root = str(root).rstrip("/")
        info = check_info(self._read_json(INFO), self.root)
        self.layout = Layout(Path(), info["shards"], info["made"])
        self._rows, self._places = rows, dict[int, dict[str, tuple[int, int]]]()
        self._tokens = dict[int, dict[str, NDArray[np.int16]]]()

    def __repr__(self) -> str:
        return f"Corpus({self.root!r}, {self.layout.shards} shards)"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What is known of each recording that was encoded, without its file; read from all shards the first time."""
        if self._rows is None:
            found = [row for number in range(self.layout.shards) for row in self.read_rows(number, SOME)]
            self._rows = [row for row in found if row["error"] is None]
        return self._rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: str | SupportsIndex) -> PoseSequence:
        return decode(self.read_file(which if isinstance(which, str) else self.rows[operator.index(which)]["id"]))

    def __iter__(self) -> Iterator[PoseSequence]:
        return (self[row["id"]] for row in self.rows)

    def filter(self, keep: Callable[[dict[str, Any]], bool]) -> Corpus:
        """Only the recordings of which something is true: `corpus.filter(lambda row: row["frames"] > 100)`."""
        return Corpus(self.root, [row for row in self.rows if keep(row)])

    def read_file(self, identity: str) -> bytes:
        """The bytes of a recording's `.posec` file. Raises InputError where there is no such recording, CorruptError where
        none is where the index says."""
        number = choose_shard(identity, self.layout.shards)
        places = self._read_index(number)
        if identity not in places:
            raise InputError(
                f"{self.root}: no recording {identity!r} was encoded; `posecodec corpus stats` lists failures"
            )
        with ByteSource(self._find(self.layout.find_shard(number))) as source:
            start, length = places[identity]
            data = source.read(start, start + length)
        if not data.startswith(MAGIC):
            raise CorruptError(f"{self.root}: {identity!r} is not where the index says; encode shard {number} again")
        return data

    def read_tokens(self, identity: str) -> NDArray[np.int16] | None:
        """The tokens of a recording as `--tokens-column` stored them, None where it did not; those of a shard are kept."""
        number = choose_shard(identity, self.layout.shards)
        if not json.loads(self.layout.made).get("tokens"):
            return None
        if number not in self._tokens:
            path = self._find(self.layout.find_shard(number))
            table = read_table(self._read(path) if is_url(path) else path, ["id", "tokens"])
            column = table["tokens"].combine_chunks()
            values, ends = column.values.to_numpy(), column.offsets.to_numpy()
            rows = enumerate(zip(table["id"].to_pylist(), column.is_valid().to_pylist(), strict=True))
            self._tokens[number] = {name: values[ends[i] : ends[i + 1]] for i, (name, there) in rows if there}
        return self._tokens[number].get(identity)

    def read_rows(self, number: int, columns: list[str] | None = None) -> list[dict[str, Any]]:
        """Rows of a shard, none where it is not there yet."""
        path = self._find(self.layout.find_shard(number))
        if not is_url(path) and not Path(path).exists():
            return []
        rows: list[dict[str, Any]] = read_table(self._read(path) if is_url(path) else path, columns).to_pylist()
        return rows

    def _read_index(self, number: int) -> dict[str, tuple[int, int]]:
        if number not in self._places:
            found = read_table(self._read(self._find(self.layout.find_index(number)))).to_pydict()
            spans = zip(found["offset"], found["length"], strict=True)
            self._places[number] = dict(zip(found["id"], spans, strict=True))
        return self._places[number]

    def _find(self, path: Path) -> str:
        return f"{self.root}/{path.as_posix()}"

    def _read(self, path: str) -> bytes:
        with ByteSource(path) as source:
            return source.read(0, source.size)

    def _read_json(self, name: str) -> Any:
        path = f"{self.root}/{name}"
        try:
            return json.loads(self._read(path))
        except (InputError, ValueError) as error:
            raise InputError(f"{self.root}: is no corpus ({error}); `posecodec corpus encode` makes one") from error
