"""The log of a training: a JSON line for each record, and curves for TensorBoard where they are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from posecodec.errors import DependencyError


class TrainingLog:
    """`log.jsonl` in a folder, and beside it `tensorboard/`. Raises DependencyError where TensorBoard is not installed."""

    def __init__(self, out: str, tensorboard: bool = False) -> None:
        self.path = Path(out) / "log.jsonl"
        self._writer = _open_writer(self.path.parent / "tensorboard") if tensorboard else None

    def append(self, record: Mapping[str, Any]) -> None:
        """One record, with "step"."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"time": round(time.time()), **record}) + "\n")
        if self._writer is not None:
            for name, value in list_scalars(record):
                self._writer.add_scalar(name, value, record["step"])
            self._writer.flush()


def list_scalars(values: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in a record but its step, each by where it stands: val/2/0."""
    if isinstance(values, Mapping | list | tuple):
        pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, value in pairs:
            if name or key != "step":
                yield from list_scalars(value, f"{name}/{key}" if name else str(key))
    elif isinstance(values, int | float):
        yield name, float(values)


def _open_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError("--tensorboard needs TensorBoard; pip install tensorboard") from error
    return SummaryWriter(str(folder))
