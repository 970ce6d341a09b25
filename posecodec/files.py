"""The short way: `posecodec.load`, `save`, `encode` and `decode`, which choose weights as the command line does.

Files that are `.posec` go through the codec, all others through `io`.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecodec.errors import UsageError
from posecodec.io import load as load_pose
from posecodec.io import save as save_pose
from posecodec.io.filesystem import check_path, is_posec, refuse_existing
from posecodec.pose.sequence import PoseSequence

if TYPE_CHECKING:
    from posecodec.codec import Encoded, PoseCodec, Source

_INSTEAD = {
    "fill": "fill gaps afterwards, by posecodec.PoseCodec().fill_gaps(sequence)",
    "frames": "slice what is loaded, as in sequence[60:120]",
    "people": "select from what is loaded, as in sequence.select(people=...)",
}
_PARTS = tuple(_INSTEAD)  # Options of loading a .posec file alone, and what does the same for others


def load(path: Any, **options: Any) -> PoseSequence:
    """The sequence in a file or folder, `.posec` or any pose format, also behind a URL where it is `.posec`.

    options: as of `posecodec.io.load` (format, fps, unit, skeleton, up, item, ...); of a `.posec` file, which says all of
    that, as of `PoseCodec.decode` (frames, people, fill). Raises PosecodecError of the kind that it is.
    """
    if is_posec(path):
        _check_options(path, options, _PARTS)
        return decode(path, **options)
    if parts := sorted({*options} & {*_PARTS}):
        raise UsageError(f"{path}: only .posec files take {', '.join(parts)}; {_INSTEAD[parts[0]]}")
    return load_pose(path, **options)


def save(sequence: PoseSequence, path: Any, **options: Any) -> None:
    """Write a sequence: encoded where the path ends in `.posec`, else in the format of its suffix.

    options: `force` to replace what is there; of `.posec` as of `PoseCodec.encode` (max_error="5mm", lossless=True, ...),
    of others as of `posecodec.io.save`. Raises UsageError where the file exists.
    """
    if not is_posec(path):
        save_pose(sequence, path, **options)
        return
    force = bool(options.pop("force", False))
    refuse_existing(Path(path), force)
    encode(sequence, **options).save(path, force)


def encode(source: PoseSequence | str | Path, weights: str | None = None, **options: Any) -> Encoded:
    """A sequence, or what `load` finds at a path, as a file in memory.

    weights: by name or path; those that suit the recording if None. options: as of `PoseCodec.encode`: one of max_error,
    mean_error, bitrate, levels, lossless, or none of them for a mean error of about 1 % of a body's height.
    """
    if not isinstance(source, PoseSequence):
        check_path(source, "a sequence, as PoseSequence.of(array, fps=30) makes of an array")
        source = load(source)
    sequence = source
    target = options.get("target")
    wants_tokens = (
        options.get("levels") is not None or isinstance(target, int) or getattr(target, "kind", "") == "levels"
    )
    return get_codec(weights or choose_weights(sequence, "levels" if wants_tokens else "")).encode(sequence, **options)


def decode(source: Encoded | Source, **options: Any) -> PoseSequence:
    """The sequence in a `.posec` file: its path, URL or bytes, or what `encode` gave. options: as of `PoseCodec.decode`."""
    from posecodec.bitstream.container import PosecFile
    from posecodec.codec import Encoded
    from posecodec.zoo import find_named

    opened = (
        source if isinstance(source, PosecFile) else PosecFile(source.data if isinstance(source, Encoded) else source)
    )
    with opened as file:
        return get_codec(find_named(file.header.weights)).decode(file, **options)


def choose_weights(sequence: PoseSequence, kind: str) -> str | None:
    """Weights by a recording's dimensions: of tokens for the target "levels", of windows if these can code its keypoints."""
    from posecodec.pose.skeleton import missing_for
    from posecodec.pose.skeletons.builtin import COCO19

    if kind == "levels":
        return f"body{sequence.dims}d"
    return None if missing_for(sequence.skeleton, COCO19) else f"windows{sequence.dims}d"


def get_codec(name: str | None) -> PoseCodec:
    """The codec with weights of a name or path, loaded once, and again where the file is another one by now."""
    from posecodec.zoo import find_weights

    path = None if name is None else find_weights(name).resolve()
    return _load_codec(path, 0 if path is None else path.stat().st_mtime_ns)


@functools.cache
def _load_codec(path: Path | None, stamp: int) -> PoseCodec:
    from posecodec.codec import PoseCodec

    return PoseCodec.from_pretrained(path)


def _check_options(path: Any, options: dict[str, Any], known: tuple[str, ...]) -> None:
    if wrong := sorted(set(options) - set(known)):
        raise UsageError(f"{path} says all of that itself; leave out {', '.join(wrong)} (there are {', '.join(known)})")
