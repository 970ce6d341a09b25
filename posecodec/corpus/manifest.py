"""What a corpus is made of: all recordings below a folder, listed once, and which shard each belongs to.

A recording is a file, or a folder that `posecodec encode` takes for one, such as OpenPose's.

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
from posecodec.io.detect import detect, is_recording
from posecodec.io.filesystem import find_suffix
from posecodec.io.registry import FORMATS

HASH_BYTES = 8  # Of an id's SHA-256, that decide where it goes
CHANGED = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
"""By which servers say what state a file is in, the surest first."""
FRAME_ENDING = "_keypoints.json"  # Of files that hold one frame each, whoever wrote them


def plan(source: str | Path, suffixes: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A row for each recording below a folder or URL: files of a pose format, by their suffix, and folders that are one
    recording. Nothing is opened but the first files of folders that number theirs. Sorted by id.

    suffixes: only files of these, such as (".pose",). Raises InputError where there is none, or the folder is a recording
    itself, or files behind a URL hold one frame each; DependencyError for a URL without fsspec.
    """
    known: dict[str, str] = {}
    for name, format in FORMATS.items():  # of several with a suffix the first, as files are read
        known |= {suffix: known.get(suffix, name) for suffix in format.suffixes if suffix}
    rows = []
    for row in _list_url(str(source)) if is_url(str(source)) else _list_folder(source):
        suffix = find_suffix(row["id"])
        if not suffixes or ("format" not in row and suffix in suffixes):
            row.setdefault("format", known.get(suffix))
            rows += [row] if row["format"] else []
    if not rows:
        raise InputError(f"{source}: no pose files below it; `posecodec formats` lists what is known")
    if is_url(str(source)):
        _refuse_frames(rows)
    return sorted(rows, key=lambda row: str(row["id"]))


def _refuse_frames(rows: list[dict[str, Any]]) -> None:
    """Raises InputError where files are of a folder that is one recording, which only a disk is looked through for."""
    frame = next((row for row in rows if row["id"].endswith(FRAME_ENDING)), None)
    if frame is not None:
        raise InputError(
            f"{frame['source']}: holds one frame of a recording; plan a copy of its folder on a disk, or --only others"
        )


def _list_folder(source: str | Path) -> Iterator[dict[str, Any]]:
    """A row of each file, and with its format of each folder that is a recording.

    Raises InputError where there is no such folder, or it is a recording itself.
    """
    if not os.path.isdir(source):
        raise InputError(f"{source}: no such folder; check the path")
    if is_recording(Path(source)):
        raise InputError(f"{source}: is one recording itself; give a folder that has recordings in it, or encode it")
    for path, files in _walk(str(source)):
        about = [file.stat() for file in files]
        row: dict[str, Any] = {"id": os.path.relpath(path, source).replace(os.sep, "/"), "source": path}
        changed = max((each.st_mtime_ns for each in about), default=0)
        row |= {"bytes": sum(each.st_size for each in about), "modified": str(changed)}
        yield row if os.path.isfile(path) else {**row, "format": detect(path).format}


def _list_url(url: str) -> Iterator[dict[str, Any]]:
    """A row of each file behind a URL, asked for once. Raises InputError where it cannot be listed."""
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
            changed = next((str(about[key]) for key in CHANGED if about.get(key)), None)
            row = {"id": below, "source": system.unstrip_protocol(path), "bytes": int(about.get("size") or 0)}
            yield {**row, "modified": changed}


def _walk(folder: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """(path, files of it) of each file, and of each folder that is a recording."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                yield entry.path, [entry]
            elif entry.is_dir(follow_symlinks=False):
                within = _walk(entry.path)
                if is_recording(Path(entry.path)):
                    yield entry.path, [file for _, files in within for file in files]
                else:
                    yield from within


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
