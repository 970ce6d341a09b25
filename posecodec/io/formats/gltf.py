"""glTF 2.0 (`.glb`, `.gltf`): everybody as a stick rig that moves, for viewers, slides and 3D programs. Only written.

A node for each keypoint (a small octahedron, its translation animated) and one for each edge of the skeleton (a stick between
two keypoints: translation, rotation and scale animated), below a node for each person. Meters, y up, as the specification
asks (Khronos, glTF 2.0, 3.4); keys stand at the recording's own times. There is no skin: nothing is deformed.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change
from posecodec.io.filesystem import AnyPath, guard_reader, write_atomic
from posecodec.io.parsing.one_person import hold_gaps
from posecodec.io.registry import Format
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Floats

MAGIC, JSON_CHUNK, BINARY_CHUNK = (
    0x46546C67,
    0x4E4F534A,
    0x004E4942,
)  # "glTF", "JSON", "BIN" as the specification writes them
FLOAT, UNSIGNED_SHORT = 5126, 5123  # Component types
VERTICES, INDICES = 34962, 34963  # What a view of a buffer is for
POINT_SIZE, STICK_SIZE = (
    0.04,
    0.05,
)  # Radius of a point, as a share of how far keypoints spread; a stick's, of its own length
WAIST = 0.15  # Where a stick is thickest, from its start
FAR = 100.0  # Meters from 0 from which on a recording is moved by whole meters: float32 keeps no mm at 10 km
CORNERS = ((0, -1, 0), (1, 0, 0), (0, 0, 1), (-1, 0, 0), (0, 0, -1), (0, 1, 0))  # Of an octahedron
FACES = (
    (0, 1, 2),
    (0, 2, 3),
    (0, 3, 4),
    (0, 4, 1),
    (5, 2, 1),
    (5, 3, 2),
    (5, 4, 3),
    (5, 1, 4),
)  # Counterclockwise from outside
COLORS = ((0.9, 0.45, 0.1), (0.25, 0.5, 0.85))  # Of points and sticks


@dataclass
class _Scene:
    """A document while it is built: its parts by kind, and the bytes that they are views of."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, int]] = field(default_factory=list)
    samplers: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)

    def add_values(self, values: NDArray[Any], target: int | None = None) -> int:
        """The accessor of an array of float32 or uint16, (N,) or (N, 3 or 4)."""
        content = values.tobytes()
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view | ({"target": target} if target is not None else {}))
        self.data += content + bytes(-len(content) % 4)
        kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}"
        component = FLOAT if values.dtype == np.float32 else UNSIGNED_SHORT
        table = values.reshape(len(values), -1)
        self.accessors.append({
            "bufferView": len(self.views) - 1, "componentType": component, "count": len(values), "type": kind,
            "min": table.min(axis=0).tolist(), "max": table.max(axis=0).tolist(),
        })  # fmt: skip
        return len(self.accessors) - 1

    def add_node(self, **parts: Any) -> int:
        self.nodes.append(parts)
        return len(self.nodes) - 1

    def animate(self, node: int, path: str, times: int, values: Floats) -> None:
        """Have a node follow values (T, 3 or 4) at times that are an accessor."""
        output = self.add_values(np.ascontiguousarray(values, np.float32))
        self.samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
        self.channels.append({"sampler": len(self.samplers) - 1, "target": {"node": node, "path": path}})


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """Everybody, in 2D or 3D; gaps are filled by straight lines. `.gltf` holds its data as text, `.glb` as bytes.

    Raises UsageError where there is nobody, or frames are nearer to each other than float32 tells times apart.
    """
    seen = np.flatnonzero(sequence.valid.any(axis=(0, 2)))
    times = _measure_times(sequence).astype(np.float32)
    if not len(seen):
        raise UsageError(f"{path}: nobody is seen in any frame, and glTF has no room for that; save as .npz")
    if not (np.diff(times) > 0).all():
        raise UsageError(
            f"{path}: frames are too near to each other for glTF's times, float32; write a shorter stretch"
        )
    points = np.stack(
        [hold_gaps(sequence.positions[:, p].astype(np.float64), sequence.skeleton, "glTF") for p in seen], 1
    )
    points, origin = _to_meters(points, sequence)
    scene = _Scene()
    at = scene.add_values(times)
    people = [_add_person(scene, points[:, i], at, sequence, str(sequence.ids[p])) for i, p in enumerate(seen)]
    root = scene.add_node(name="recording", children=people, translation=origin.tolist())
    document = _build_document(scene, points, root)
    write_atomic(path, _pack(document, bytes(scene.data), Path(path).suffix.lower() == ".gltf"), force)


def _measure_times(sequence: PoseSequence) -> Floats:
    """(T,) seconds from the first frame on."""
    if sequence.timestamps is not None and len(sequence.timestamps):
        return np.asarray(sequence.timestamps - sequence.timestamps[0])
    return np.arange(sequence.frames) / sequence.rate


def _to_meters(points: Floats, sequence: PoseSequence) -> tuple[Floats, Floats]:
    """(T, P, K, 3) with y up, in meters, about an origin (3,)."""
    up, meters = sequence.up, UNIT_MM.get(sequence.unit, 1.0) / 1000
    if sequence.unit not in UNIT_MM:
        report_change(f"glTF is in meters, and {sequence.unit} is no length: 1000 are written as 1 m")
    if up == "unknown":
        report_change("glTF has y up, and which way is up is unknown: axes are written as they are; --up says it")
    if sequence.dims == 2:
        flat = points * np.array([1.0, -1.0 if up in ("-y", "unknown") else 1.0])
        points = np.concatenate([flat, np.zeros((*flat.shape[:-1], 1))], axis=-1)
    elif up != "unknown":
        points = points @ upright(3, up).T
    if sequence.confidence.size and not np.isin(sequence.confidence, (0, 1)).all():
        report_change("glTF has no room for confidences; they are left out")
    points = points * meters
    middle = points.mean(axis=(0, 1, 2))
    origin = np.where(np.abs(middle) > FAR, np.rint(middle), 0.0)
    return points - origin, origin


def _add_person(scene: _Scene, points: Floats, times: int, sequence: PoseSequence, name: str) -> int:
    """The node of a person (T, K, 3)."""
    skeleton, parts = sequence.skeleton, list[int]()
    for k, keypoint in enumerate(skeleton.keypoints):
        parts.append(scene.add_node(name=keypoint, mesh=0, translation=points[0, k].tolist()))
        scene.animate(parts[-1], "translation", times, points[:, k])
    for a, b in skeleton.edges:
        bone = points[:, b] - points[:, a]
        size = np.repeat(np.linalg.norm(bone, axis=1)[:, None], 3, axis=1)
        moves = {"translation": points[:, a], "rotation": _turn_from_y(bone), "scale": size}
        first = {path: values[0].tolist() for path, values in moves.items()}
        parts.append(scene.add_node(name=f"{skeleton.keypoints[a]}-{skeleton.keypoints[b]}", mesh=1, **first))
        for path, values in moves.items():
            scene.animate(parts[-1], path, times, values)
    return scene.add_node(name=name, children=parts)


def _turn_from_y(bones: Floats) -> Floats:
    """(T, 4) unit quaternions x, y, z, w that turn y to bones (T, 3), the shortest way, and near to the one before."""
    length = np.linalg.norm(bones, axis=1, keepdims=True)
    x, y, z = np.divide(bones, length, out=np.tile([0.0, 1.0, 0.0], (len(bones), 1)), where=length > 0).T
    turn = np.stack([z, 0 * x, -x, 1 + y], axis=1)
    turn[y < -1 + 1e-9] = (1, 0, 0, 0)
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    signs = np.where((turn[1:] * turn[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    turn[1:] *= np.cumprod(signs)[:, None]
    return np.asarray(turn)


def _build_document(scene: _Scene, points: Floats, root: int) -> dict[str, Any]:
    """Everything but the bytes, for points (T, P, K, 3) in meters."""
    spread = float(np.sqrt(np.square(points - points.mean(axis=2, keepdims=True)).sum(axis=3).mean())) or 1.0
    corners = np.array(CORNERS, np.float32)
    stick = corners * np.array([STICK_SIZE, 0, STICK_SIZE], np.float32)
    stick[:, 1] = [0, WAIST, WAIST, WAIST, WAIST, 1]
    faces = scene.add_values(np.array(FACES, np.uint16).ravel(), INDICES)
    shapes = [scene.add_values(shape, VERTICES) for shape in (corners * np.float32(POINT_SIZE * spread), stick)]
    materials = [{"pbrMetallicRoughness": {"baseColorFactor": [*rgb, 1.0], "metallicFactor": 0.0}} for rgb in COLORS]
    meshes = [
        {"name": name, "primitives": [{"attributes": {"POSITION": shape}, "indices": faces, "material": i}]}
        for i, (name, shape) in enumerate(zip(("point", "stick"), shapes, strict=True))
    ]
    return {
        "asset": {"version": "2.0", "generator": "posecodec"}, "scene": 0, "scenes": [{"nodes": [root]}],
        "nodes": scene.nodes, "meshes": meshes, "materials": materials,
        "animations": [{"name": "recording", "samplers": scene.samplers, "channels": scene.channels}],
        "accessors": scene.accessors, "bufferViews": scene.views, "buffers": [{"byteLength": len(scene.data)}],
    }  # fmt: skip


def _pack(document: dict[str, Any], data: bytes, as_text: bool) -> bytes:
    """The file: JSON with the data as base64, or both as chunks that end at multiples of four bytes."""
    if as_text:
        document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
        return json.dumps(document, allow_nan=False).encode()
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<II", len(text), JSON_CHUNK), text, struct.pack("<II", len(data), BINARY_CHUNK), data
    body = b"".join(parts)
    return struct.pack("<III", MAGIC, 2, 12 + len(body)) + body


@guard_reader
def read(path: Path) -> NoReturn:
    """Raises InputError."""
    raise InputError("glTF is only written, for viewers; give the file that it was made of")


FORMAT = Format(
    name="gltf", title="glTF 2.0, a stick rig that moves", suffixes=(".glb", ".gltf"), own_suffixes=(".glb", ".gltf"),
    read=read, write=write, is_export=True, is_write_only=True, options=(),
)  # fmt: skip
