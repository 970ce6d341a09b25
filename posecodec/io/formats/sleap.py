"""SLEAP's analysis files: `.h5` with a dense array of tracks, as SLEAP and sleap-io export them.

`tracks` holds x and y by track, node and frame, in an order that its `dims` attribute says, or else the shape. Tracks are
people, nodes keypoints, point scores confidences. Positions are pixels, y down, NaN where missing. The file states no
frame rate. Leaves out instance and tracking scores, symmetries, provenance, writing, and projects, which are `slp`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change
from posecodec.io import Format, guard_reader
from posecodec.io.parsing import frame_rates, hdf5, missing
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import build_skeleton

ORDERS = (("track", "xy", "node", "frame"), ("frame", "track", "node", "xy"), ("frame", "node", "xy", "track"))
"""How SLEAP, sleap-io and early sleap-io order the axes of `tracks`; where a shape fits several, the first."""
AXES = ("frame", "track", "node", "xy")
_DIMS = re.compile(rb'\[(?: ?"(?:frame|track|node|xy)",?){4}\]')
_USED = {"tracks", "point_scores", "track_names", "node_names", "edge_inds", "edge_names", "track_occupancy"}


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The tracks of an analysis file, float64 as in the file; ids are the track names, or numbers where there are none.

    fps: frames per second, needed. Raises UsageError if h5py is not installed, InputError if the arrays are missing or do
    not fit each other, NoRateError without fps.
    """
    with hdf5.open_file(path) as file:
        if "pred_points" in file and "tracks" not in file:
            raise InputError(
                "this is a SLEAP project; pass --from slp, or export an analysis file (File, Export Analysis HDF5)"
            )
        nodes = hdf5.read_texts(file, "node_names")
        names = hdf5.read_texts(file, "track_names") if "track_names" in file else []
        positions, order = _read_tracks(file, len(nodes), len(names))
        confidence = _read_scores(file, positions, order)
        skeleton = _read_skeleton(file, nodes)
        left = [name for name in hdf5.list_names(file) if name not in _USED]
    if left:
        report_change(f"not kept: {', '.join(left[:10])}")
    named = len(set(names)) == len(names) and all(names)
    if not named:
        report_change(f"the track names {names[:5]} are empty or repeat; tracks are numbered instead")
    ids = names if names and named else [str(p) for p in range(positions.shape[1])]
    return PoseSequence.from_arrays(
        positions, fps=frame_rates.require_rate(fps), confidence=confidence, skeleton=skeleton, unit="px", up="-y", ids=ids,
        metadata={"source_format": "sleap"}, exact=True,
    )  # fmt: skip


def _read_tracks(file: hdf5.Group, nodes: int, names: int) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Positions (T, P, K, 2), and the order of axes in the file."""
    stored = hdf5.read_numbers(file, "tracks", 4)
    order = _find_order(file, stored.shape, nodes, names)
    positions = stored.transpose([order.index(axis) for axis in AXES])
    if not len(positions):
        raise InputError("data set /tracks has no frames; export it again")
    return missing.mask_infinite(positions), order


def _find_order(file: hdf5.Group, shape: tuple[int, ...], nodes: int, names: int) -> tuple[str, ...]:
    """The order of axes that the file states, or that fits the shape."""
    stated = _read_stated_order(file)
    for order in [stated] if stated else ORDERS:
        sizes = dict(zip(order, shape, strict=True))
        if sizes["xy"] == 2 and sizes["node"] == nodes and names in (0, sizes["track"]):
            return order
    expected = f"(tracks, 2, {nodes} nodes, frames)" if stated is None else f"the axes {', '.join(stated)}"
    found = f"data set /tracks is {shape}, with {nodes} node_names and {names} track_names"
    raise InputError(f"{found}; {expected} was expected, export it again")


def _read_stated_order(file: hdf5.Group) -> tuple[str, ...] | None:
    """The order in `dims`, or None; looked for in the bytes, as HDF5 can hang on damaged text of variable length."""
    if not hdf5.has_attribute(hdf5.get_dataset(file, "tracks"), "dims"):
        return None
    found = {tuple(re.findall(r"[a-z]+", text.decode())) for text in _DIMS.findall(file.file.path.read_bytes())}
    orders = [order for order in found if sorted(order) == sorted(AXES)]
    if len(orders) != 1:
        raise InputError(f"attribute 'dims' of /tracks does not order the axes {', '.join(AXES)}; export it again")
    return orders[0]


def _read_scores(file: hdf5.Group, positions: NDArray[Any], order: tuple[str, ...]) -> NDArray[np.float32]:
    """Confidences (T, P, K): the point scores, 1 where a node has none (labeled by hand)."""
    axes = [axis for axis in order if axis != "xy"]
    if "point_scores" not in file:
        report_change("there are no point_scores; every keypoint gets the confidence 1")
        return np.ones(positions.shape[:3], np.float32)
    stored = hdf5.read_numbers(file, "point_scores", 3)
    scores = stored.transpose([axes.index(axis) for axis in AXES[:3]])
    if scores.shape != positions.shape[:3]:
        raise InputError(f"data set /point_scores is {stored.shape}, which does not fit tracks; export it again")
    return missing.fill_confidence(positions, scores, "score")


def _read_skeleton(file: hdf5.Group, nodes: list[str]) -> Skeleton:
    known = build_skeleton(nodes)
    if known.name != "custom" or "edge_inds" not in file or 0 in (hdf5.get_dataset(file, "edge_inds").shape or ()):
        return known
    stored = hdf5.read_numbers(file, "edge_inds", 2)
    rows = stored if stored.shape[1] == 2 else stored.T
    if rows.shape[1] != 2:
        raise InputError(f"data set /edge_inds is {stored.shape}; pairs of node numbers were expected")
    return Skeleton("custom", known.keypoints, tuple((int(a), int(b)) for a, b in rows))


FORMAT = Format(
    name="sleap", title="SLEAP analysis", suffixes=(".h5", ".hdf5"), read=read, read_only="SLEAP files are only read",
    sniff=lambda file: file.find_in_hdf5(b"node_names", b"tracks"), priority=51, extra="h5", states_rate=False,
)  # fmt: skip
