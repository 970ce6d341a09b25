"""Shards as tar files in the layout of WebDataset: for each recording `00000017.posec` and what is known of it as `.json`.

    webdataset.WebDataset("tars/shard-{00000..00063}.tar"), torch's `datapipes`, or `tar x`

The key counts recordings in a shard (a key must have no dots, and ids are paths); the id stands in the JSON.
Source of the layout: the WebDataset README, "The WebDataset Format".
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from posecodec.corpus.reading import Corpus
from posecodec.errors import UsageError
from posecodec.io.replacing import replace_file

_NAME = re.compile(r"shard-\d{5,}\.tar")


def export_tars(corpus: Corpus, folder: Path, force: bool = False) -> Iterator[tuple[Path, int]]:
    """(tar, how many recordings) of each shard that has any, the same bytes each time.

    Raises UsageError where such a tar is there already, without `force`; with it, those of other shards are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {number: folder / f"shard-{number:05}.tar" for number in range(corpus.layout.shards)}
    there = {path for path in folder.iterdir() if _NAME.fullmatch(path.name)}
    if there and not force:
        raise UsageError(f"{min(there)}: exists already; pass --force to replace it")
    for number, path in names.items():
        rows = [row for row in corpus.read_rows(number) if row["posec"] is not None]
        if not rows:
            continue
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for at, row in enumerate(rows):
                about = {key: value for key, value in row.items() if key not in ("posec", "error")}
                for suffix, data in (("posec", row["posec"]), ("json", json.dumps(about).encode())):
                    entry = tarfile.TarInfo(f"{at:08}.{suffix}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
        replace_file(path, stream.getvalue())
        there.discard(path)
        yield path, len(rows)
    for path in there:
        path.unlink()
