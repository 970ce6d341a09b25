"""Settings as frozen dataclasses that are read from JSON or TOML, with clear errors for what they do not know."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from posecodec.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def read_config(kind: type[Config], path: str | Path) -> Config:
    """A frozen dataclass of a JSON or TOML file, see `from_dict`. Raises InputError."""
    return from_dict(kind, read_values(path))


def read_values(path: str | Path) -> dict[str, Any]:
    """What a JSON or TOML file of settings holds. Raises InputError."""
    try:
        text = Path(path).read_text()
        values: Any = _parse_toml(text) if Path(path).suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise InputError(f"{path} is not a readable training config: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is not a training config: it holds no fields")
    return values


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("TOML needs Python 3.11; write it as JSON") from error
    values: dict[str, Any] = tomllib.loads(text)
    return values


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """A frozen dataclass from JSON values: nested dataclasses and tuples as their annotations say.

    Raises InputError naming fields that are missing or unknown.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    unknown = sorted(set(values) - {f.name for f in fields})
    missing = sorted({f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING} - set(values))
    if unknown or missing:
        raise InputError(f"{kind.__name__}: unknown fields {unknown}, missing fields {missing}")
    return kind(**{name: _convert(hints[name], value) for name, value in values.items()})


def _convert(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_dict(hint, value)
    if isinstance(value, list):
        return tuple(_convert(None, v) for v in value)
    return value
