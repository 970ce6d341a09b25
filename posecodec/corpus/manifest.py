"""What a corpus is made of: all recordings below a folder, listed once, and which shard each belongs to.

A manifest is a Parquet file with the columns `tables.MANIFEST`, sorted by id, which is the path below the source; `looking`
adds LOOKED.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posecodec.corpus.tables import LOOKED, MANIFEST, build_table, open_parquet, write_table
from posecodec.errors import DependencyError, InputError, UsageError, name_install
from posecodec.io.byte_source import is_url
from posecodec.io.filesystem import find_suffix
from posecodec.io.registry import FORMATS

HASH_BYTES = 8  # Of an id's SHA-256, that decide where it goes


def plan(source: str | Path, suffixes: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A row for each file of a pose format below a folder or URL, by its suffix; nothing is opened. Sorted by id.

    suffixes: only these, such as (".pose",). Raises InputError where there is none, DependencyError for a URL without fsspec.
    """
    known: dict[str, str] = {}
    for name, format in FORMATS.items():  # of several with a suffix the first, as files are read
        known |= {suffix: known.get(suffix, name) for suffix in format.suffixes if suffix}
    files = _list_url(str(source)) if is_url(str(source)) else _list_folder(source)
    rows = [
        {"id": identity, "source": place, "bytes": size, "format": known[suffix]}
        for identity, place, size in files
        if (suffix := find_suffix(identity)) in known and (not suffixes or suffix in suffixes)
    ]
    if not rows:
        raise InputError(f"{source}: no pose files below it; `posecodec formats` lists what is known")
    return sorted(rows, key=lambda row: str(row["id"]))


def _list_folder(source: str | Path) -> Iterator[tuple[str, str, int]]:
    """(path below, path, bytes) of each file. Raises InputError where there is no such folder."""
    if not os.path.isdir(source):
        raise InputError(f"{source}: no such folder; check the path")
    for entry in _walk(str(source)):
        yield os.path.relpath(entry.path, source).replace(os.sep, "/"), entry.path, entry.stat().st_size


def _list_url(url: str) -> Iterator[tuple[str, str, int]]:
    """The same of what lies behind a URL, asked for once. Raises InputError where it cannot be listed."""
    try:
        import fsspec
    except ImportError as error:
        raise DependencyError(f"URLs need fsspec; {name_install('remote')}") from error
    try:
        system, root = fsspec.core.url_to_fs(url)
        found: dict[str, Any] = system.find(root, detail=True)
    except Exception as error:  # of whatever server or library
        raise InputError(f"{url}: cannot be listed ({type(error).__name__}: {error}); check the address") from error
    for path, about in found.items():
        below = path[len(root.rstrip("/")) + 1 :]
        if not any(part.startswith(".") for part in below.split("/")):
            yield below, system.unstrip_protocol(path), int(about.get("size") or 0)


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            elif entry.is_file():
                yield entry


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a manifest, with LOOKED where rows have them. Raises UsageError where two rows have one id."""
    if len({row["id"] for row in rows}) < len(rows):
        raise UsageError("two recordings of one id; ids tell recordings apart")
    looked = any("error" in row for row in rows)
    write_table(path, build_table(MANIFEST | (LOOKED if looked else {}), rows, {}))


def iterate_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a manifest, some at a time. Raises InputError where it is none."""
    with open_parquet(path) as file:
        if missing := set(MANIFEST) - set(file.schema_arrow.names):
            lacks = ", ".join(sorted(missing))
            raise InputError(f"{path}: is no manifest, it has no {lacks}; `posecodec corpus plan` makes one")
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def choose_shard(identity: str, shards: int) -> int:
    """Which of so many shards an id belongs to: by its hash, the same everywhere.

    >>> [choose_shard(name, 4) for name in ("a.npz", "b.npz")]
    [0, 1]
    """
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:HASH_BYTES], "big") % shards
