"""What a recording of a manifest holds, before anything is encoded: so that a corpus can be chosen by it."""

from __future__ import annotations

import warnings
from typing import Any

from posecodec.corpus.encoding import bring_here, hash_source
from posecodec.errors import describe_failure
from posecodec.io import load


def look_at(row: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    """A row of a manifest with frames, people, skeleton and SHA-256, or with why it cannot be read.

    reading: keyword arguments of `posecodec.io.load`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # encoding tells it
        try:
            with bring_here(row["source"]) as path:
                sequence = load(path, **reading)
                facts = {"frames": sequence.frames, "people": sequence.people, "skeleton": sequence.skeleton.name}
                return {**row, **facts, "sha256": hash_source(path), "error": None}
        except Exception as error:  # of whatever kind: it is this row's
            return {**row, "error": describe_failure(error)}
