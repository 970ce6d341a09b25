"""Corpora to train on: `Corpus` by id and number, windows and token streams for torch.

>>> from posecodec import datasets
>>> datasets.Corpus.__module__
'posecodec.corpus.reading'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecodec.corpus.reading import Corpus
    from posecodec.datasets.streams import TokenStreams, Windows

__all__ = ["Corpus", "TokenStreams", "Windows"]
_HOMES = {"Corpus": "posecodec.corpus.reading", "Windows": "posecodec.datasets.streams"}
_HOMES["TokenStreams"] = _HOMES["Windows"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'posecodec.datasets' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
