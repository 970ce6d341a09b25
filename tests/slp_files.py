"""SLEAP projects made by h5py, table by table as SLEAP makes them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

POINT = np.dtype([("x", "<f8"), ("y", "<f8"), ("visible", "?"), ("complete", "?")])
PREDICTED = np.dtype([*((name, POINT[name]) for name in POINT.names), ("score", "<f8")])
INSTANCE = np.dtype([
    ("instance_id", "<i8"), ("instance_type", "u1"), ("frame_id", "<u8"), ("skeleton", "<u4"), ("track", "<i4"),
    ("from_predicted", "<i8"), ("score", "<f4"), ("point_id_start", "<u8"), ("point_id_end", "<u8"),
    ("tracking_score", "<f4"),
])  # fmt: skip
FRAME = np.dtype([
    ("frame_id", "<u8"), ("video", "<u4"), ("frame_idx", "<u8"), ("instance_id_start", "<u8"), ("instance_id_end", "<u8"),
])  # fmt: skip
EDGE = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}
SYMMETRY = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [2]}]}
LINKS = [
    {"source": 0, "target": 2, "type": EDGE}, {"source": 2, "target": 1, "type": {"py/id": 1}},
    {"source": 0, "target": 1, "type": SYMMETRY}, {"source": 1, "target": 0, "type": {"py/id": 2}},
]  # fmt: skip
METADATA = {
    "version": "2.0.0", "nodes": [{"name": "left_ear"}, {"name": "right_ear"}, {"name": "nose"}],
    "skeletons": [{"graph": {"name": "mouse"}, "nodes": [{"id": 2}, {"id": 0}, {"id": 1}], "links": LINKS}],
}  # fmt: skip


def add_instance(
    tables: dict[str, list[Any]],
    at: float,
    *,
    track: int = -1,
    by_hand: bool = False,
    source: int = -1,
    score: float = 0.75,
) -> None:
    """One more instance of three nodes, the last invisible, in the last frame."""
    name = "points" if by_hand else "pred_points"
    start = len(tables[name])
    for k in range(3):
        tables[name].append((at + k, at - k, k < 2, True, *([] if by_hand else [score])))
    number, kind = len(tables["instances"]), 0 if by_hand else 1
    frame = len(tables["frames"]) - 1
    tables["instances"].append((number, kind, frame, 0, track, source, 0.5, start, start + 3, 0.0))
    tables["frames"][-1] = (*tables["frames"][-1][:4], number + 1)


def start_tables() -> dict[str, list[Any]]:
    return {"frames": [], "instances": [], "points": [], "pred_points": []}


def add_frame(tables: dict[str, list[Any]], number: int, video: int = 0) -> None:
    count = len(tables["instances"])
    tables["frames"].append((len(tables["frames"]), video, number, count, count))


def encode_project(
    tables: dict[str, list[Any]], version: float = 1.2, *, compression: str | None = None, **changes: Any
) -> bytes:
    """The bytes of a file.

    compression: of the tables. changes: data sets instead of the usual ones, None to leave one out; `metadata` its JSON."""
    import h5py

    types = {"frames": FRAME, "instances": INSTANCE, "points": POINT, "pred_points": PREDICTED}
    content: dict[str, Any] = {name: np.array(rows, types[name]) for name, rows in tables.items()}
    content["tracks_json"] = np.array([b'[0,"left"]', b'[0,"right"]'])
    content["videos_json"] = np.array([json.dumps({"backend": {"filename": "S1/Walking"}}).encode()])
    content |= changes
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        metadata = file.create_group("metadata")
        metadata.attrs["format_id"] = version
        metadata.attrs["json"] = np.bytes_(json.dumps(content.pop("metadata", METADATA)))
        for name, value in content.items():
            if value is not None:
                file.create_dataset(name, data=value, compression=compression if name in types else None)
    return stream.getvalue()


def make_slp() -> bytes:
    """A small project: two tracks, a gap, a labeled animal in place of a predicted one."""
    tables = start_tables()
    for number in (3, 4, 6):
        add_frame(tables, number)
        add_instance(tables, 10.0 * number, track=0)
        add_instance(tables, 100.0 + number, track=1)
    add_instance(tables, 200.0, track=1, by_hand=True, source=5)
    return encode_project(tables)
