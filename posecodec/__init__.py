"""posecodec: keypoint sequences to tokens and a tiny bitstream, and back.

>>> import posecodec
>>> from posecodec.pose.synthetic import walk
>>> encoded = posecodec.encode(walk(60), max_error="5mm")
>>> posecodec.decode(encoded)
PoseSequence(60 frames, 1 person, coco19 3D, 30 fps, mm)

Names are imported when they are used, so `import posecodec` loads neither torch nor numba nor NumPy.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from posecodec import legacy

if TYPE_CHECKING:
    from posecodec.analysis.metrics import compare
    from posecodec.codec import Encoded, PoseCodec
    from posecodec.coders.tokens.grid import TokenGrid
    from posecodec.coders.tokens.vocabulary import Vocabulary
    from posecodec.errors import (
        CorruptError,
        DataWarning,
        DependencyError,
        InputError,
        MissingFileError,
        NoRateError,
        PosecodecError,
        UsageError,
        WeightsError,
    )
    from posecodec.files import decode, encode, load, save
    from posecodec.io import register_format
    from posecodec.memory import set_memory_limit
    from posecodec.pose.sequence import PoseSequence
    from posecodec.pose.skeleton import Skeleton
    from posecodec.ratecontrol.target import Target

__version__ = "0.5.0"
__all__ = [
    "CorruptError", "DataWarning", "DependencyError", "Encoded", "InputError", "MissingFileError", "NoRateError",
    "PoseCodec", "PoseSequence", "PosecodecError", "Skeleton", "Target", "TokenGrid", "UsageError", "Vocabulary",
    "WeightsError", "compare", "decode", "encode", "load", "register_format", "save", "set_memory_limit",
]  # fmt: skip

_HOMES = {
    "CorruptError": "errors",
    "DataWarning": "errors",
    "DependencyError": "errors",
    "InputError": "errors",
    "MissingFileError": "errors",
    "NoRateError": "errors",
    "PosecodecError": "errors",
    "UsageError": "errors",
    "WeightsError": "errors",
    "Encoded": "codec",
    "PoseCodec": "codec",
    "PoseSequence": "pose.sequence",
    "Skeleton": "pose.skeleton",
    "Target": "ratecontrol.target",
    "TokenGrid": "coders.tokens.grid",
    "Vocabulary": "coders.tokens.vocabulary",
    "compare": "analysis.metrics",
    "decode": "files",
    "encode": "files",
    "load": "files",
    "register_format": "io",
    "save": "files",
    "set_memory_limit": "memory",
}

sys.meta_path.append(legacy)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'posecodec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"posecodec.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
