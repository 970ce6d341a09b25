"""From a config of a paper's system, and what varies in it, to runs: one training for each combination of values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posecodec.errors import InputError
from posecodec.networks.config import from_dict, read_values
from posecodec.train.grid_config import GridTraining

RUNS = "runs/paper"  # Where checkpoints and logs go if a config says nothing
KEYS = (
    "model.codes",
    "model.factor",
    "model.quantizer",
    "model.revive",
    "losses.adversarial_from",
    "sampling.flicker",
    "seed",
)
"""What `list_runs` varies."""


def is_grid_config(path: str | Path) -> bool:
    """Whether a config is one of a paper's system rather than one of tokens by part of the body."""
    return "system" in _read_with_base(path)


def _read_with_base(path: str | Path) -> dict[str, Any]:
    """The values of a config; where it names another beside it as `base`, that one's fields stand for those it lacks."""
    values = read_values(path)
    if "base" not in values:
        return values
    below = _read_with_base(Path(path).parent / str(values.pop("base")))
    return _merge(below, values)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    made = below | above
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            made[name] = _merge(below[name], above[name])
    return made


def list_runs(
    path: str | Path, vary: tuple[str, ...] = (), folder: str | None = None, steps: int | None = None
) -> Iterator[GridTraining]:
    """The trainings of a config. vary: KEY=VALUE,VALUE...; a run's name and folder then end in its values.

    folder: data in place of the config's, "panoptic:DIR" or a folder with train/, val/ and cameras/*.json.
    Raises InputError.
    """
    base = _read_with_base(path)
    if steps is not None:
        base["steps"] = steps
    if folder is not None:
        base["data"] = {**base.get("data", {}), **_find_data(folder)}
    choices = [_parse(text) for text in vary]
    for values in itertools.product(*(found for _, found in choices)):
        made = json.loads(json.dumps(base))
        for (key, _), value in zip(choices, values, strict=True):
            _put(made, key, value)
        ending = "".join(
            f"-{key.split('.')[-1]}-{_name(value)}" for (key, _), value in zip(choices, values, strict=True)
        )
        made["out"] = made.get("out", f"{RUNS}/{made.get('name', '')}")
        made |= {field: f"{made.get(field, '')}{ending}" for field in ("name", "out")}
        yield from_dict(GridTraining, made)


def _find_data(folder: str) -> dict[str, Any]:
    if folder.startswith("panoptic:"):
        return {"train": [folder], "val": [folder], "cameras": folder}
    cameras = sorted(Path(folder).glob("cameras/*.json"))
    named = {"cameras": str(cameras[0])} if cameras else {}
    return {"train": [f"{folder}/train"], "val": [f"{folder}/val"], **named}


def _parse(text: str) -> tuple[str, list[Any]]:
    key, _, values = text.partition("=")
    if key not in KEYS or not values:
        raise InputError(f"{text!r} varies nothing; write KEY=VALUE,VALUE with a key of {', '.join(KEYS)}")
    return key, [_read(value) for value in values.split(",")]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for name in path:
        values = values.setdefault(name, {})
    values[last] = [value] * 3 if key == "model.factor" else value


def _name(value: Any) -> str:
    return str(value).lower()
