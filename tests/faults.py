"""Every call to the system and every allocation fails once, in turn: `python tests/faults.py` tries all (the tests a part).

A command runs in this process with one call replaced. Afterwards the old output is there, or the new one, whole; nothing is
left over; what went wrong is a line; and the next run, which nothing disturbs, does what an undisturbed one does.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import itertools
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import posecodec
from posecodec.cli import main as command
from posecodec.cli.resuming import MANIFEST
from posecodec.io import replacing
from posecodec.pose.synthetic import walk

SYSTEM = (
    "open", "write", "fsync", "replace", "mkdir", "chmod", "stat", "lstat", "fstat", "unlink", "rmdir", "scandir", "listdir",
    "read", "lseek", "close",
)  # fmt: skip
REMOVE = {"unlink", "rmdir", "scandir", "open", "stat", "lstat", "close", "fstat"}
"""Calls that removing what lies aside needs, so that it stays until the next run where they fail."""
MEMORY = (
    "zeros",
    "empty",
    "full",
    "concatenate",
    "stack",
    "ascontiguousarray",
    "where",
    "asarray",
    "array",
    "frombuffer",
)
OLD = b"an old output"


class Calls:
    """Counts calls of one function that concern a folder, and has one of them fail. at: which; None counts only."""

    def __init__(self, module: Any, name: str, root: Path, error: BaseException, at: int | None) -> None:
        self.module, self.name, self.root, self.error, self.at = module, name, str(root), error, at
        self.numbers, self.count = itertools.count(), 0

    def __enter__(self) -> Calls:
        original, readlink = getattr(self.module, self.name), os.readlink

        def concerns(what: Any) -> bool:
            if isinstance(what, int):
                with contextlib.suppress(OSError):
                    what = readlink(f"/proc/self/fd/{what}")
            return isinstance(what, str | os.PathLike) and os.fspath(what).startswith(self.root)

        def call(*args: Any, **options: Any) -> Any:
            if self.module is np or concerns(options.get("dir_fd")) or (args and concerns(args[0])):
                self.count = next(self.numbers) + 1
                if self.count - 1 == self.at:
                    raise self.error
            return original(*args, **options)

        self.patch = mock.patch.object(self.module, self.name, call)
        self.patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.patch.stop()


def run(arguments: list[str]) -> tuple[int, str]:
    """Exit code and all that is said of a command in this process, as a new one would do it."""
    replacing._cleaned.clear()
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings(),
        mock.patch.object(sys, "argv", ["posecodec", *arguments]),
    ):  # fmt: skip
        try:
            command()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
    return code, said.getvalue()


@dataclass(frozen=True)
class Scenario:
    """arguments: of the command. prepare: makes its inputs and old outputs in a folder. outputs: what it replaces there."""

    arguments: Callable[[Path], list[str]]
    outputs: tuple[str, ...]
    prepare: Callable[[Path], None]


def list_files(root: Path, name: str) -> dict[str, bytes] | None:
    """The content of a file or of those in a folder; None where nothing is."""
    path = root / name
    if path.is_file():
        return {"": path.read_bytes()}
    return {p.name: p.read_bytes() for p in path.iterdir()} if path.is_dir() else None


def prepare_files(root: Path) -> None:
    """A recording and its encoding, and old outputs of either kind."""
    sequence = walk(4)
    posecodec.save(sequence, root / "a.npz")
    posecodec.PoseCodec().encode(sequence, max_error=5).save(root / "a.posec")
    for name in ("new.posec", "new.csv", "new.html"):
        (root / name).write_bytes(OLD)
    (root / "frames").mkdir()
    posecodec.save(walk(3), root / "frames" / "a", format="panoptic")


def prepare_folder(root: Path) -> None:
    """Two recordings and old encodings of them."""
    for folder in ("in", "out"):
        (root / folder).mkdir()
    for name in ("a", "b"):
        posecodec.save(walk(4), root / "in" / f"{name}.npz")
        (root / "out" / f"{name}.posec").write_bytes(OLD)


def prepare_encoded(root: Path) -> None:
    """Two encodings."""
    (root / "small").mkdir()
    for name in ("a", "b"):
        posecodec.PoseCodec().encode(walk(4)).save(root / "small" / f"{name}.posec")


SCENARIOS = {
    "encode": Scenario(
        lambda root: ["encode", f"{root}/a.npz", "-o", f"{root}/new.posec", "-f", "--max-error", "5"], ("new.posec",),
        prepare_files,
    ),
    "decode": Scenario(
        lambda root: ["decode", f"{root}/a.posec", "-o", f"{root}/new.csv", "-f"], ("new.csv",), prepare_files
    ),
    "decode to a folder": Scenario(
        lambda root: ["decode", f"{root}/a.posec", "-o", f"{root}/frames", "-f", "--to", "panoptic"], ("frames/a",),
        prepare_files,
    ),
    "view": Scenario(
        lambda root: ["view", f"{root}/a.npz", "-o", f"{root}/new.html", "-f"], ("new.html",), prepare_files
    ),
    "decode a folder": Scenario(
        lambda root: ["decode", f"{root}/small", "-o", f"{root}/back"], ("back/a.npz", "back/b.npz"), prepare_encoded
    ),
    "encode a folder": Scenario(
        lambda root: ["encode", f"{root}/in", "-o", f"{root}/out", "-f", "--max-error", "5", "--summary", f"{root}/s.json"],
        ("out/a.posec", "out/b.posec"), prepare_folder,
    ),
}  # fmt: skip


@contextlib.contextmanager
def make_folder(scenario: Scenario) -> Iterator[tuple[Path, list[dict[str, bytes] | None]]]:
    """A folder that is ready for a run, and the old outputs in it."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        scenario.prepare(root)
        yield root, [list_files(root, output) for output in scenario.outputs]


def count_calls(scenario: Scenario, module: Any, name: str) -> tuple[int, list[dict[str, bytes] | None]]:
    """How many there are in an undisturbed run, and what that writes."""
    with make_folder(scenario) as (root, _):
        with Calls(module, name, root, OSError(), None) as calls:
            code, said = run(scenario.arguments(root))
        assert code == 0, said
        return calls.count, [list_files(root, output) for output in scenario.outputs]


def fail_once(scenario: Scenario, calls: tuple[Any, str, int], error: BaseException, new: list[Any]) -> str:
    """One run in which one call fails. Raises AssertionError where anything is not as it should be; returns what was said."""
    module, name, at = calls
    with make_folder(scenario) as (root, old):
        before = {path.name for path in root.rglob("*")}
        with Calls(module, name, root, error, at):
            code, said = run(scenario.arguments(root))
        where = f"call {at} of {name}, {type(error).__name__}: exit code {code}, {said[-2000:]}"
        found = [list_files(root, output) for output in scenario.outputs]
        left = {path.name for path in root.rglob("*")} - before - {MANIFEST, "s.json"}
        assert all(now in pair for now, *pair in zip(found, old, new, strict=True)), f"half an output: {where}"
        assert name in REMOVE or not left or not any(n.startswith(".posecodec-") for n in left), f"{left} left: {where}"
        assert "Traceback" not in said and code in (0, 1, 2, 3, 4, 5, 130), where
        assert code != 0 or found == new, f"nothing was said: {where}"
        assert code == 0 or any(line.startswith(("error: ", "interrupted")) for line in said.split("\n")), where
        again, more = run(scenario.arguments(root))
        assert again == 0, f"and the next run: {more[-2000:]}, after {where}"
        assert [list_files(root, output) for output in scenario.outputs] == new, f"another output after {where}"
        assert not [p for p in root.rglob("*") if p.name.startswith(".posecodec-")], f"still left over after {where}"
        return said


def attack(name: str, most: int | None = None, seed: int = 0) -> str:
    """All faults of one scenario, or so many of each function. Raises AssertionError."""
    scenario, told, rng = SCENARIOS[name], [], random.Random(seed)
    run_warm(scenario)
    targets = [(os, function, (OSError(5, "Input/output error"), KeyboardInterrupt())) for function in SYSTEM]
    targets += [(module, "open", (OSError(5, "Input/output error"), MemoryError())) for module in (io, builtins)]
    targets += [(np, function, (MemoryError(),)) for function in MEMORY]
    for module, function, errors in targets:
        count, new = count_calls(scenario, module, function)
        chosen = range(count) if most is None or count <= most else sorted(rng.sample(range(count), most))
        for at, error in itertools.product(chosen, errors):
            fail_once(scenario, (module, function, at), error, new)
        told.append(f"{module.__name__}.{function} {len(chosen)} of {count}")
    return f"{name}: {', '.join(told)}"


def run_warm(scenario: Scenario) -> None:
    """Once before, so that kernels, weights and modules are loaded."""
    with make_folder(scenario) as (root, _):
        run(scenario.arguments(root))


if __name__ == "__main__":
    for each in sys.argv[1:] or SCENARIOS:
        print(attack(each), flush=True)
