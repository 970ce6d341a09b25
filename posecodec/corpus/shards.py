"""Shards: Parquet files of encoded recordings, and beside each where in it every file is.

    meta/info.json                           how many shards, and what they were made with
    meta/index/00003.parquet                 id, offset and length of each file in shard 3, and the shard's SHA-256
    data/chunk-000/shard-00003.parquet       the rows, sorted by id

A shard is written whole or not at all, its index after it; one that is there with its own index, and was made of the same
rows of a manifest with the same options, is not made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posecodec.corpus.encoding import Options
from posecodec.corpus.manifest import choose_shard
from posecodec.corpus.tables import INDEX, SHARD, build_table, import_pyarrow, write_table
from posecodec.errors import InputError, UsageError
from posecodec.io.replacing import replace_file

IN_FOLDER = 1000  # Shards of one folder
INFO = "meta/info.json"
FORMAT = 1  # Of the layout; a reader refuses others


@dataclass(frozen=True)
class Layout:
    """Where the shards of a corpus are. shards: how many. made: what they were made with."""

    root: Path
    shards: int
    made: str

    def find_shard(self, number: int) -> Path:
        """The Parquet file of a shard."""
        return self.root / f"data/chunk-{number // IN_FOLDER:03}/shard-{number:05}.parquet"

    def find_index(self, number: int) -> Path:
        """The Parquet file that tells where each file of a shard is."""
        return self.root / f"meta/index/{number:05}.parquet"

    def is_done(self, number: int, rows: list[dict[str, Any]]) -> bool:
        """Whether a shard and its index are there, made of the same rows of a manifest with the same options."""
        pa = import_pyarrow()
        try:
            about = pa.parquet.read_schema(self.find_shard(number)).metadata or {}
            if (about.get(b"made"), about.get(b"rows")) != (self.made.encode(), digest_rows(rows).encode()):
                return False
            index = pa.parquet.read_schema(self.find_index(number)).metadata or {}
            return index.get(b"shard") == _hash_bytes(self.find_shard(number).read_bytes()).encode()
        except (OSError, pa.ArrowException):
            return False


def digest_rows(rows: list[dict[str, Any]]) -> str:
    """What tells rows of a manifest from others: ids, places, sizes and SHA-256, or else when they were changed; sorted."""
    told = sorted([row["id"], row["source"], row.get("bytes"), _tell_content(row)] for row in rows)
    return _hash_bytes(json.dumps(told).encode())


def _tell_content(row: dict[str, Any]) -> str | None:
    known: str | None = row.get("sha256") or row.get("modified")
    return known


def _hash_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def describe_options(options: Options) -> str:
    """Options as one text, that shards remember."""
    return json.dumps(asdict(options), sort_keys=True, default=str)


def open_layout(root: Path, shards: int, options: Options) -> Layout:
    """The layout of a new corpus, or of one that is gone on with. Raises UsageError where that was made otherwise."""
    layout, path = Layout(root, shards, describe_options(options)), root / INFO
    info = {"format": FORMAT, "shards": shards, "made": layout.made}
    if path.exists():
        if (found := read_info(root)) != info:
            raise UsageError(
                f"{root}: holds a corpus of {found['shards']} shards made with {found['made']}; "
                "write to another folder, or give the same --shards and options"
            )
        return layout
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(info, indent=1) + "\n").encode())
    return layout


def read_info(root: Path) -> dict[str, Any]:
    """What a corpus says of itself. Raises InputError where a folder is none."""
    try:
        info = json.loads((root / INFO).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{root}: is no corpus, it has no {INFO} ({error}); `posecodec corpus encode` makes one"
        ) from error
    return check_info(info, root)


def check_info(info: Any, root: object) -> dict[str, Any]:
    """What was read of INFO. Raises InputError where it is not what this posecodec reads."""
    if not isinstance(info, dict) or info.get("format") != FORMAT or not isinstance(info.get("shards"), int):
        raise InputError(f"{root}: its {INFO} is not of format {FORMAT}; use the posecodec that made it")
    return info


def split_rows(rows: Iterable[dict[str, Any]], shards: int, which: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Rows of a manifest by shard, for some of the shards; in the order of ids."""
    split: dict[int, list[dict[str, Any]]] = {number: [] for number in which}
    for row in rows:
        number = choose_shard(row["id"], shards)
        if number in split:
            split[number].append(row)
    return split


def write_shard(layout: Layout, number: int, planned: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Write a shard of encoded rows and its index, in the order of ids. planned: the rows of the manifest."""
    rows = sorted(rows, key=lambda row: str(row["id"]))
    path, index = layout.find_shard(number), layout.find_index(number)
    for folder in (path.parent, index.parent):
        folder.mkdir(parents=True, exist_ok=True)
    data = write_table(path, build_table(SHARD, rows, {"made": layout.made, "rows": digest_rows(planned)}))
    write_table(index, build_table(INDEX, list(_locate(data, rows)), {"shard": _hash_bytes(data)}))


def _locate(data: bytes, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Where each row's file is in a Parquet file, in which they lie one after the other, each after its length."""
    place = 0
    for row in rows:
        posec = row.get("posec")
        if posec is not None:
            place = data.index(len(posec).to_bytes(4, "little") + posec, place) + 4
            yield {"id": row["id"], "offset": place, "length": len(posec)}
            place += len(posec)
