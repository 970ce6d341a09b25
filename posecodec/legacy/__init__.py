"""The import paths of 0.4, until 0.6: each name is looked up where it is now, with a DeprecationWarning that says where.

Python asks `find_spec` after everything else has found nothing. `moved.txt` says what moved: a line `old -> new` for a
module, below it the names in it that are called otherwise, are in another module now (with dots), or gone (-).
A module that stayed where it was says `__getattr__ = legacy.find_renamed(__name__)` for its own old names.
Methods and arguments are not covered: the CHANGELOG tells about those.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ROOT = "posecodec."


def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
    """What stands in for a module that moved; None for every other."""
    if not name.startswith(_ROOT):
        return None
    old, modules = name[len(_ROOT) :], read_moves()
    if old not in modules:
        return None
    loader: Any = _Loader()
    return ModuleSpec(name, loader, is_package=any(other.startswith(f"{old}.") for other in modules))


@functools.cache
def read_moves() -> dict[str, dict[str, str]]:
    """Of every old module the new places of names, below `posecodec.`; that of "" is the module's own, a gone name's is "".

    >>> read_moves()["goal"]["Goal"], read_moves()["goal"][""]
    ('ratecontrol.target.Target', 'ratecontrol.target')
    """
    from pathlib import Path

    modules: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for line in Path(__file__).with_name("moved.txt").read_text("utf-8").splitlines():
        if " -> " in line:
            old, new = line.split(" -> ")
            names = modules[old] = {"": new}
        elif line:
            name, new = line.split()
            names[name] = "" if new == "-" else new if "." in new else f"{names['']}.{new}"
    return modules


def find_renamed(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module that gives its old names."""
    old = module[len(_ROOT) :]

    def find_name(name: str) -> Any:
        names = read_moves()[old]
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return _find(old, name)

    return find_name


def _find(old: str, name: str) -> Any:
    """The value that an old module had under a name, with a warning that tells its new place."""
    if f"{old}.{name}" in read_moves():
        return import_module(f"{_ROOT}{old}.{name}")
    names = read_moves()[old]
    new = names.get(name, f"{names['']}.{name}")
    if not new:
        raise AttributeError(f"{_ROOT}{old}.{name} is gone since posecodec 0.5, see its CHANGELOG")
    home, _, last = new.rpartition(".")
    value = getattr(import_module(_ROOT + home), last)
    text = f"{_ROOT}{old}.{name} is {_ROOT}{new} now; the old path goes with 0.6"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return value


class _MovedModule(ModuleType):
    """Stands where a module was."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _find(self.__name__[len(_ROOT) :], name)


class _Loader:
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _MovedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
