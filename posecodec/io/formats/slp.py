"""SLEAP projects: `.slp`, labels and predictions of one or several videos in HDF5; read only.

`frames` list `instances`, and those points: of people in `points`, of the network in `pred_points`, with scores, which are
the confidences. Positions are pixels, y down; files before format 1.1 count from the corner of a pixel, later ones from its
center, to which the former are moved as SLEAP does. Names are in the JSON of `metadata`, `tracks_json` and `videos_json`.
The file states no frame rate. Leaves out scores of instances, suggestions, sessions of several cameras, images, and writing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Clue, Format, Source, guard_reader
from posecodec.io.parsing import detections, hdf5
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.per_frame import parse_json
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton, pair_sides

CENTERED = 1.1  # format from which on 0, 0 is the center of the first pixel
_CORNER = 0.5  # pixels between its corner and its center
_LONGEST = 1 << 20  # characters of a video's description: it may list images
_USER, _PREDICTED = 0, 1
_FIELDS = {
    "frames": ("video", "frame_idx", "instance_id_start", "instance_id_end"),
    "instances": (
        "instance_id", "instance_type", "skeleton", "track", "from_predicted", "point_id_start", "point_id_end",
    ),
    "points": ("x", "y", "visible"),
    "pred_points": ("x", "y", "visible", "score"),
}  # fmt: skip

_Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class _Project:
    """What a project holds: tables by _FIELDS, names of tracks, what its videos are called, its skeleton."""

    tables: Mapping[str, _Table]
    tracks: list[str]
    videos: list[str]
    skeleton: Skeleton
    shift: float


@guard_reader
def read(path: Path, *, item: str | None = None, fps: float | None = None) -> PoseSequence:
    """The animals of one video, by their tracks or, without, the order in which a frame lists them.

    What a person labeled stands for the prediction that it was made from, with the confidence 1. Frames run from the first
    labeled one to the last. metadata `slp`: the video's file, and `first`, the first frame's number if not 0.
    item: the video's number or file, needed if there are several. fps: frames per second, needed. Raises UsageError if
    h5py is not installed, InputError if tables are missing or do not fit each other, NoRateError without fps.
    """
    with hdf5.open_file(path) as file:
        project = _read_project(file)
    video = _choose_video(project, item)
    bodies = BodyTable()
    used = _list_instances(project, video, bodies)
    _add_bodies(project, used, bodies)
    first = int(bodies.list_frames()[0])
    facts = ({"video": project.videos[video]} if project.videos else {}) | ({"first": first} if first else {})
    return detections.build_from_table(
        bodies, project.skeleton, 2, fps=fps, size=path.stat().st_size, source="slp", facts=facts
    )


def _read_project(file: hdf5.Group) -> _Project:
    tables = {name: _read_table(file, name) for name in _FIELDS}
    metadata = hdf5.get_group(file, "metadata")
    text, version = (hdf5.read_attribute(metadata, name) for name in ("json", "format_id"))
    if not isinstance(text, bytes):
        raise InputError("attribute json of /metadata is no text; save the project with SLEAP again")
    content = parse_json(bytes(text), "attribute json of /metadata")
    if not isinstance(content, dict):
        raise InputError("attribute json of /metadata is no object; save the project with SLEAP again")
    tracks = [_read_name(entry) for entry in _read_entries(file, "tracks_json")]
    videos = [_name_video(entry) for entry in _read_entries(file, "videos_json")]
    number = float(version) if isinstance(version, (int, float, np.number)) else CENTERED
    return _Project(tables, tracks, videos, _read_skeleton(content, tables), 0.0 if number >= CENTERED else _CORNER)


def _read_table(file: hdf5.Group, name: str) -> _Table:
    """The columns of a table that are needed, by field."""
    found = hdf5.get_dataset(file, name)
    fields = found.dtype.names or ()
    missing = [field for field in _FIELDS[name] if field not in fields]
    if missing or found.ndim != 1 or any(found.dtype[field].kind not in "iufb" for field in _FIELDS[name]):
        raise InputError(
            f"data set /{name} is {found.dtype} {found.shape}; fields {', '.join(_FIELDS[name])} were expected"
        )
    rows = hdf5.read_dataset(found)
    return {field: rows[field] for field in _FIELDS[name]}


def _read_entries(file: hdf5.Group, name: str) -> list[Any]:
    """The JSON values of a list of texts; none where it is not there."""
    if name not in file:
        return []
    return [parse_json(text.encode(), f"/{name}") for text in hdf5.read_texts(file, name, _LONGEST)]


def _read_name(entry: Any) -> str:
    """Of a track: [frame where it begins, name]."""
    name = entry[1] if isinstance(entry, list) and len(entry) > 1 else None
    if not isinstance(name, str):
        raise InputError(
            f"/tracks_json holds {entry!r:.60}; [frame, name] was expected, save the project with SLEAP again"
        )
    return detections.check_unicode(name)


def _name_video(entry: Any) -> str:
    """The file of a video, "" where it does not say."""
    backend = entry.get("backend") if isinstance(entry, dict) else None
    name = (backend if isinstance(backend, dict) else entry if isinstance(entry, dict) else {}).get("filename")
    return name if isinstance(name, str) else ""


def _read_skeleton(content: Mapping[str, Any], tables: Mapping[str, _Table]) -> Skeleton:
    """The skeleton that the instances have, of the nodes that it lists; all nodes where there is none."""
    listed = content.get("nodes")
    nodes = (
        [node.get("name") if isinstance(node, dict) else None for node in listed] if isinstance(listed, list) else []
    )
    if not nodes or not all(isinstance(name, str) for name in nodes):
        raise InputError("attribute json of /metadata names no nodes; save the project with SLEAP again")
    names = [detections.check_unicode(str(name)) for name in nodes]
    known = content.get("skeletons")
    used = np.unique(tables["instances"]["skeleton"]).astype(int).tolist()
    if len(used) > 1:
        raise InputError(f"instances have {len(used)} skeletons; keep those of one to a project")
    number = used[0] if used else 0
    if not isinstance(known, list) or not 0 <= number < len(known) or not isinstance(known[number], dict):
        return build_skeleton(names)
    graph = known[number].get("nx_graph", known[number])
    own = _read_indices(graph.get("nodes") if isinstance(graph, dict) else None, len(names))
    chosen = tuple(names[i] for i in own)
    plain = build_skeleton(chosen)
    links = graph.get("links")
    return plain if plain.name in BUILT_IN else _build_custom(chosen, links if isinstance(links, list) else [], own)


def _read_indices(nodes: Any, count: int) -> list[int]:
    found = [node.get("id") if isinstance(node, dict) else None for node in nodes] if isinstance(nodes, list) else []
    own = [i for i in found if type(i) is int and 0 <= i < count]
    if not own or len(own) != len(found):
        raise InputError(
            "attribute json of /metadata: a skeleton's nodes are no numbers; save the project with SLEAP again"
        )
    return own


def _build_custom(names: tuple[str, ...], links: list[Any], own: list[int]) -> Skeleton:
    """A skeleton of `links` between node numbers; what the links are (edges, symmetries) is told once, then by reference."""
    index = {node: k for k, node in enumerate(own)}
    kinds: list[Any] = []
    edges: dict[tuple[int, int], None] = {}
    left = 0
    for link in links:
        link = link if isinstance(link, dict) else {}
        told = link.get("type")
        told = told if isinstance(told, dict) else {}
        if "py/reduce" in told:
            kinds.append(json.dumps(told["py/reduce"][-1:] if isinstance(told["py/reduce"], list) else None))
        at = told.get("py/id")
        kind = kinds[at - 1] if type(at) is int and 0 < at <= len(kinds) else kinds[-1] if kinds else ""
        ends = [index.get(end) if type(end) is int else None for end in (link.get("source"), link.get("target"))]
        if "[2]" in kind:
            continue
        if ends[0] is None or ends[1] is None or ends[0] == ends[1]:
            left += 1
        else:
            edges[ends[0], ends[1]] = None
    report_count(left, "edges of the skeleton name no two of its nodes and are left out")
    return Skeleton("custom", names, tuple(edges), pair_sides(names))


def _choose_video(project: _Project, item: str | None) -> int:
    there = np.unique(project.tables["frames"]["video"]).astype(int).tolist()
    if not there:
        raise InputError("no labeled frames in it; predict or label some first")
    names = {number: project.videos[number] if 0 <= number < len(project.videos) else "" for number in there}
    found = there if item is None else [n for n, name in names.items() if item in (str(n), name)]
    if len(found) != 1:
        wrong = "" if item is None else f"no video {item!r}; "
        listed = ", ".join(f"{n} ({name})" if name else str(n) for n, name in list(names.items())[:5])
        raise InputError(f"{wrong}the project labels {len(there)} videos: {listed}; pass item= (--item) with one")
    return int(found[0])


def _list_instances(project: _Project, video: int, bodies: BodyTable) -> list[tuple[int, int]]:
    """(frame, row of `instances`) of what stands for an animal; notes the frames that there are."""
    frames, instances = project.tables["frames"], project.tables["instances"]
    total = len(instances["track"])
    kinds, tracks = instances["instance_type"].tolist(), instances["track"].tolist()
    numbers, origins = instances["instance_id"].tolist(), instances["from_predicted"].tolist()
    used: list[tuple[int, int]] = []
    spans = np.stack([frames[name].astype(np.int64) for name in _FIELDS["frames"]], axis=1)
    replaced = listed = 0
    for _, frame, start, end in spans[spans[:, 0] == video].tolist():
        if not 0 <= start <= end <= total or frame < 0:
            raise InputError(
                f"frame {frame} has instances {start} to {end} of {total}; save the project with SLEAP again"
            )
        listed += end - start
        if listed > total:
            raise InputError("frames share instances; save the project with SLEAP again")
        bodies.add_empty(frame)
        labeled = [i for i in range(start, end) if kinds[i] == _USER]
        origin = {origins[i] for i in labeled} | {-1}
        seen = {tracks[i] for i in labeled} - {-1}
        rest = [
            i for i in range(start, end)
            if kinds[i] == _PREDICTED and numbers[i] not in origin and tracks[i] not in seen
        ]  # fmt: skip
        replaced += end - start - len(labeled) - len(rest)
        used += [(frame, i) for i in (*labeled, *rest)]
    report_count(replaced, "predicted instances are left out, for which others were labeled by hand")
    return used


def _add_bodies(project: _Project, used: list[tuple[int, int]], bodies: BodyTable) -> None:
    fields = ("instance_type", "track", "point_id_start", "point_id_end")
    instances = {name: project.tables["instances"][name].tolist() for name in fields}
    points = {kind: _stack_points(project, name) for kind, name in ((_USER, "points"), (_PREDICTED, "pred_points"))}
    named = len(set(project.tracks)) == len(project.tracks) and all(project.tracks)
    if not named:
        report_change(f"the track names {project.tracks[:5]} are empty or repeat; tracks are numbered instead")
    count = len(project.skeleton)
    by_hand = 0
    for frame, i in used:
        start, end = int(instances["point_id_start"][i]), int(instances["point_id_end"][i])
        rows = points[int(instances["instance_type"][i])]
        if not 0 <= start <= end <= len(rows) or end - start != count:
            raise InputError(
                f"instance {i} has points {start} to {end} of {len(rows)}, and {count} nodes; save it again"
            )
        track = int(instances["track"][i])
        if track >= len(project.tracks):
            raise InputError(
                f"instance {i} has track {track} of {len(project.tracks)}; save the project with SLEAP again"
            )
        key = None if track < 0 else project.tracks[track] if named else str(track)
        by_hand += instances["instance_type"][i] == _USER
        bodies.add(frame, key, rows[start:end].ravel().tolist())
    report_count(by_hand, "instances were labeled by hand; their keypoints get the confidence 1")


def _stack_points(project: _Project, name: str) -> NDArray[np.float64]:
    """(n, 3) x, y, score, NaN where a point is not visible; 1 where there is no score."""
    table = project.tables[name]
    values = np.stack([table["x"], table["y"], table.get("score", np.ones(len(table["x"])))], axis=1).astype(np.float64)
    values[:, :2] -= project.shift
    values[~table["visible"].astype(bool), :2] = np.nan
    return values


def _sniff(file: Source) -> Clue | None:
    return file.find_in_hdf5(b"pred_points")


FORMAT = Format(
    name="slp", title="SLEAP project", suffixes=(".slp",), own_suffixes=(".slp",), read=read, sniff=_sniff, priority=49,
    read_only="SLEAP projects are only read", options=("fps", "item"), extra="h5",
    states_rate=False,
)  # fmt: skip
