"""What holds of every format, ours or a plug-in's: `check_format(FORMAT, sample, folder)` from the test of a format.

Leaves out what only a format knows: what its content means. Run CHECKS one by one to see each as a test of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner
from fuzz import damage

from posecodec import PoseSequence, Skeleton
from posecodec.cli import cli
from posecodec.errors import InputError, NoRateError, PosecodecError, UsageError
from posecodec.io import Format, Guess, Source, detect, load, save
from posecodec.io.filesystem import expose_bugs
from posecodec.io.parsing.hdf5 import SIGNATURE

RATE = 29.97
"""Frames per second of a sample that does not say."""
CUTS, DAMAGES = 80, 150
"""How many beginnings of a file, and how many damaged files, are tried."""
FEW = 8
"""The same where each file is read by a process of its own: HDF5."""


@dataclass(frozen=True)
class Sample:
    """A good file: its name as users give it, its bytes, and which recording of it is meant if it holds several.

    refuses_cuts: whether no beginning of the file is a good file too, as of a table of text.
    """

    name: str
    data: bytes
    item: str | None = None
    refuses_cuts: bool = True

    def put(self, folder: Path, name: str = "") -> Path:
        """The file, written into a folder."""
        path = folder / (name or self.name)
        path.write_bytes(self.data)
        return path


def check_format(known: Format, sample: Sample, folder: Path) -> None:
    """All that holds of every format."""
    for number, check in enumerate(CHECKS):
        (folder / str(number)).mkdir()
        check(known, sample, folder / str(number))


def check_detection(known: Format, sample: Sample, folder: Path) -> None:
    """A format recognizes its own, by content alone too, with a reason; its suffixes are well formed."""
    path = sample.put(folder)
    assert path.suffix in known.suffixes
    if known.sniff is None:
        assert known.own_suffixes or detect(path).format != known.name
        return
    clue = known.sniff(Source(path))
    assert clue is not None and clue.why
    if path.suffix in known.own_suffixes:
        assert detect(path) == Guess(known.name, f"its suffix {path.suffix}")
        path = path.rename(folder / "unnamed")
    assert detect(path).format == known.name
    assert not known.folder_mark or "" in known.suffixes


def check_reading(known: Format, sample: Sample, folder: Path) -> None:
    """What is read has frames and people, and says where it came from."""
    sequence = _read(known, sample.put(folder), sample)
    assert sequence.frames and sequence.people and sequence.valid.any() and len(repr(sequence)) < 200
    assert sequence.metadata.get("source_format", "npz") == known.name


def check_overrides(known: Format, sample: Sample, folder: Path) -> None:
    """Options relabel and change no value; those that do not fit are refused by name of the file."""
    path = sample.put(folder)
    plain = _read(known, path, sample)
    renamed = Skeleton("custom", plain.skeleton.keypoints)
    changed = _read(known, path, sample, fps=12.5, up="-y", skeleton=renamed)
    assert (changed.fps, changed.timestamps, changed.up, changed.skeleton) == (12.5, None, "-y", renamed)
    np.testing.assert_array_equal(changed.positions, plain.positions)
    assert _read(known, path, sample, unit="in").unit == "in"
    for option in (
        {"fps": -1},
        {"up": "w"},
        {"unit": "furlong"},
        {"skeleton": Skeleton("custom", ("unheard", "of", "by", "any", "file"))},
    ):
        with _fails_by_name(InputError, path):
            _read(known, path, sample, **option)
    for name in known.skeletons:
        assert len(_read(known, path, sample, skeleton=name).skeleton)
    if "item" not in known.options:
        with _fails_by_name(UsageError, path):
            _read(known, path, Sample(sample.name, sample.data, "x"))


def check_round_trip(known: Format, sample: Sample, folder: Path) -> None:
    """What is written is read again value by value, and written again byte by byte."""
    before = _read(known, sample.put(folder), sample)
    target = folder / f"again{known.suffix_for(before.metadata)}"
    if known.read_only:
        with _fails_by_name(UsageError, target, match=known.read_only):
            save(before, target, format=known.name)
        assert not target.exists()
        return
    if known.is_export:
        return
    save(before, target, format=known.name)
    after = _read(known, target, sample)
    np.testing.assert_allclose(after.positions, before.positions, rtol=1e-6)
    np.testing.assert_allclose(after.confidence, before.confidence, atol=1e-6)
    assert after.skeleton.keypoints == before.skeleton.keypoints
    assert after.rate == pytest.approx(before.rate)
    save(after, folder / f"third{target.suffix}", format=known.name)
    assert _read_all(target) == _read_all(folder / f"third{target.suffix}")


def check_writing(known: Format, sample: Sample, folder: Path) -> None:
    """Files are replaced by force only, and by way of others: a failure leaves what was there and nothing else."""
    if known.read_only:
        return
    sequence = _read(known, sample.put(folder), sample)
    target = folder / "there" / f"a{known.suffix_for(sequence.metadata)}"
    target.parent.mkdir()
    save(sequence, target, format=known.name)
    content = _read_all(target)
    with _fails_by_name(UsageError, target, match="--force"):
        save(sequence, target, format=known.name)
    with mock.patch.object(os, "replace", side_effect=OSError(28, "No space left")), pytest.raises(PosecodecError):
        save(sequence, target, format=known.name, force=True)
    assert [path.name for path in target.parent.iterdir()] == [target.name] and _read_all(target) == content
    save(sequence, target, format=known.name, force=True)
    if target.suffix:
        target.unlink()
        target.mkdir()
        with _fails_by_name(UsageError, target, match="folder"):
            save(sequence, target, format=known.name, force=True)
    with _fails_by_name(UsageError, folder / "nowhere", match="does not exist"):
        save(sequence, folder / "nowhere" / target.name, format=known.name)


def check_damage(known: Format, sample: Sample, folder: Path) -> None:
    """Whatever is wrong with a file is told with its name in front, and never as a bug of the reader's."""
    path = folder / sample.name
    with _fails_by_name(InputError, path, match="no such file"):
        _read(known, path, sample)
    sample.put(folder)
    size, rng = len(sample.data), random.Random(known.name)
    with _fails_by_name(InputError, Sample("", b"").put(folder, sample.name), match="empty"):
        _read(known, path, sample)
    few = SIGNATURE in sample.data[: 1 << 10]
    steps, damages = (FEW, FEW) if few else (CUTS, DAMAGES)
    cuts = [sample.data[: size * step // steps] for step in range(1, steps)]
    wrong = [b"\0" * 600, b"\x00\xff rubbish \n" * 100, *(cuts if sample.refuses_cuts else [])]
    variants = [b"{}", b"[]", b"[[[]]]", b"null", *cuts, *(damage(sample.data, rng) for _ in range(damages))]
    for number, data in enumerate([*wrong, *variants]):
        path.write_bytes(data)
        with _fails_by_name(InputError, path, sometimes=number >= len(wrong)):
            _read(known, path, sample)
    path.unlink()
    path.mkdir()
    with _fails_by_name(InputError, path, match="folder"):
        _read(known, path, sample)


def check_commands(known: Format, sample: Sample, folder: Path) -> None:
    """`info` tells what it is, and what `encode` took `decode` gives back, in the same format if that is written."""
    path = sample.put(folder)
    flags = ["--from", known.name, *(["--item", sample.item] if sample.item else [])]
    facts = _run("info", path, "--json", *(flags if known.sniff is None else []))
    assert f"{known.name}, by " in facts["format"]
    assert {"people", "frames", "fps", "unit", "skeleton", "gaps", "notes", "findings"} <= facts.keys()
    rate = RATE if "fps" in known.options and not _says_rate(known, path, sample) else None
    before = _read(known, path, sample)
    flags += ["--fps", rate] if rate else []
    (folder / "out").mkdir()
    for goal, bound in ((["--lossless"], 0.0), (["--max-error", "0.5"], 0.5)):
        _run("encode", path, "-o", folder / "x.posec", "-f", "--json", *goal, *flags)
        output = Path(_run("decode", folder / "x.posec", "-o", folder / "out", "-f", "--json")["output"])
        if known.read_only or known.is_export:
            direct, after = before, load(output, format="npz")
        else:
            save(before, folder / f"direct{output.suffix}", format=known.name, force=True)
            direct, after = (_read(known, p, sample) for p in (folder / f"direct{output.suffix}", output))
        assert (after.ids, after.skeleton.keypoints) == (direct.ids, direct.skeleton.keypoints)
        assert (after.valid == direct.valid).all()
        error = np.linalg.norm(after.positions[direct.valid] - direct.positions[direct.valid].astype(float), axis=-1)
        assert error.max() <= bound * (1 + 1e-5)
        assert np.abs(after.confidence - direct.confidence).max() <= (0.01 if bound else 1e-6)


CHECKS: tuple[Callable[[Format, Sample, Path], None], ...] = (
    check_detection, check_reading, check_overrides, check_round_trip, check_writing, check_damage, check_commands,
)  # fmt: skip


def _read(known: Format, path: Path, sample: Sample, **options: object) -> PoseSequence:
    """The file by name of the format, at RATE if it does not say its own; bugs of the reader come through."""
    with expose_bugs():
        try:
            return load(path, format=known.name, item=sample.item, **options)
        except NoRateError:
            return load(path, format=known.name, item=sample.item, **{"fps": RATE, **options})


def _says_rate(known: Format, path: Path, sample: Sample) -> bool:
    with contextlib.suppress(NoRateError):
        return bool(load(path, format=known.name, item=sample.item))
    return False


def _read_all(path: Path) -> dict[str, bytes]:
    return {p.name if p != path else "": p.read_bytes() for p in ([*path.iterdir()] if path.is_dir() else [path])}


def _run(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


@contextlib.contextmanager
def _fails_by_name(kind: type[PosecodecError], path: Path, match: str = "", sometimes: bool = False) -> Iterator[None]:
    failures = []
    try:
        yield
    except kind as error:
        assert str(error).startswith(str(path)) and match in str(error), error
        failures.append(error)
    assert failures or sometimes, f"no {kind.__name__}"
