"""Random recordings, encoded and decoded: is what was promised kept, in float64, against what the file says?

`PYTHONPATH=tests python tests/promises.py --count 10000` makes that many (arrays of float32 and float64, CSV, TRC, COCO;
origins up to 1e7, magnitudes 1e-6 to 1e9, units, decimals, gaps, odd rates) and prints how many kept their promise, were
refused, or broke it; these are named by number, and `--first NUMBER --count 1` makes one again. A few of them run with the
other tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import PoseCodec, load
from posecodec.analysis.verification import verify
from posecodec.errors import InputError
from posecodec.pose.sequence import UNIT_MM, UNITS

KINDS = ("float32", "float64", "csv", "trc", "coco")
GOALS = ("max_error", "mean_error", "lossless")
RATES = (30.0, 30000 / 1001, 200.00000000000426, 1 / 0.033, 99.99999999999996)
CODEC = PoseCodec()


@dataclass(frozen=True)
class Case:
    """A recording and its file. truth: (T, P, K, D) float64 as the file says it, NaN where missing. bound: in its unit."""

    number: int
    kind: str
    path: Path
    truth: NDArray[np.float64]
    fps: float
    unit: str
    goal: str
    asked: Any
    bound: float


def make_case(number: int, folder: Path) -> Case:
    """The case of a number, and its file in the folder."""
    rng = np.random.default_rng(number)
    kind, goal = KINDS[number % len(KINDS)], GOALS[number // len(KINDS) % len(GOALS)]
    dims = {"trc": 3, "coco": 2}.get(kind, int(rng.integers(2, 4)))
    people = int(rng.integers(1, 3)) if kind in ("float32", "float64", "csv") else 1
    keypoints = 17 if kind == "coco" else int(rng.choice([1, 2, 5, 19]))
    size = 10.0 ** rng.uniform(-6, 9)
    points = _move(rng, (int(2 ** rng.uniform(0, 6)), people, keypoints, dims)) * size + _place(rng, dims)
    fps, unit = float(rng.choice(RATES)), str(rng.choice(UNITS[1:] if dims == 2 else list(UNIT_MM)))
    unit = "px" if kind == "coco" else unit
    bound = size * 10.0 ** rng.uniform(-5, 0)
    asked: Any = bound
    if unit in UNIT_MM and rng.random() < 0.5:
        other = str(rng.choice(list(UNIT_MM)))
        written = float(f"{bound * UNIT_MM[unit] / UNIT_MM[other]:.6g}")
        asked, bound = f"{written!r}{other}", written if other == unit else written * UNIT_MM[other] / UNIT_MM[unit]
    text = _spell(rng, points)
    truth = points.astype(np.float32).astype(float) if kind == "float32" else points
    truth = truth if kind.startswith("float") else np.vectorize(float)(text)
    gone = _leave_out(rng, points.shape[:3])
    truth[gone] = np.nan
    path = folder / f"{number}.{'npz' if kind.startswith('float') else 'json' if kind == 'coco' else kind}"
    _write(path, kind, truth, text, gone, fps, unit)
    return Case(number, kind, path, truth, fps, unit, goal, asked, bound)


def _move(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Keypoints of size 1, about: noise, a random walk, waves, or still."""
    rest = rng.normal(size=(1, *shape[1:]))
    ways = (
        rng.normal(size=shape), rng.normal(size=shape).cumsum(axis=0) / 8,
        np.sin(np.arange(shape[0]) / 9)[:, None, None, None] * rng.normal(size=shape[1:]), np.zeros(shape),
    )  # fmt: skip
    return np.asarray(rest + ways[int(rng.integers(len(ways)))])


def _place(rng: np.random.Generator, dims: int) -> NDArray[np.float64]:
    place = rng.choice([-1, 1], dims) * 10.0 ** rng.uniform(-1, 7, dims)
    return np.asarray(place * rng.integers(0, 2))


def _spell(rng: np.random.Generator, points: NDArray[np.float64]) -> NDArray[np.str_]:
    """The numbers as text, of so many decimals, digits, or all that they have, or as those of float32."""
    way, digits = int(rng.integers(4)), int(rng.integers(1, 13))
    spell = (lambda v: f"{v:.{digits}f}", lambda v: f"{v:.{digits}g}", repr, lambda v: str(np.float32(v)))[way]
    return np.vectorize(lambda v: spell(float(v)), otypes=[object])(points)


def _leave_out(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    gone = rng.random(shape) < float(rng.choice([0, 0, 0.1, 0.5]))
    gone[int(rng.integers(shape[0]))] &= rng.random() < 0.5
    gone[0, 0, 0] = gone[-1, -1, 0] = False  # the file says so much of how long it is, and of whom
    return np.asarray(gone)


def _write(
    path: Path, kind: str, truth: NDArray[np.float64], text: NDArray[Any], gone: NDArray[np.bool_], fps: float, unit: str
) -> None:  # fmt: skip
    if kind.startswith("float"):
        np.savez(path, positions=truth.astype(kind), fps=fps, unit=unit)
        return
    cells = np.where(gone[..., None], "", text)
    frames, people, keypoints, dims = cells.shape
    names = [f"k{k}" for k in range(keypoints)]
    if kind == "csv":
        lines = [f"# fps: {fps!r}", f'# unit: "{unit}"']
        lines += [",".join(["frame", "person", *(f"{name}_{axis}" for name in names for axis in "xyz"[:dims])])]
        lines += [",".join([str(t), f"p{p}", *cells[t, p].ravel()]) for t in range(frames) for p in range(people)]
    elif kind == "trc":
        lines = [f"PathFileType\t4\t(X/Y/Z)\t{path.name}", "DataRate\tNumFrames\tNumMarkers\tUnits"]
        lines += [f"{fps!r}\t{frames}\t{keypoints}\t{unit}", "\t".join(["Frame#\tTime", *(n + "\t\t" for n in names)])]
        lines += ["\t\t" + "\t".join(f"{axis}{k + 1}" for k in range(keypoints) for axis in "XYZ"), ""]
        lines += ["\t".join([str(t + 1), repr(t / fps), *cells[t, 0].ravel()]) for t in range(frames)]
    else:
        rows = [
            ",".join("0,0,0" if not row[0] else f"{row[0]},{row[1]},1" for row in cells[t, 0]) for t in range(frames)
        ]
        seen = [t for t in range(frames) if not gone[t].all() or t in (0, frames - 1)]
        lines = [f'{{"image_id":{t},"category_id":1,"track_id":0,"keypoints":[{rows[t]}]}}' for t in seen]
        lines = ["[" + ",".join(lines) + "]"]
    path.write_text("\n".join(lines) + "\n")


def judge(case: Case) -> str:
    """What came of a case: "kept", "refused: ..." or "BROKEN: ..."."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence = load(case.path, fps=case.fps) if case.kind == "coco" else load(case.path)
    try:
        encoded = CODEC.encode(sequence, **{case.goal: case.asked if case.goal != "lossless" else True})
    except InputError as error:
        return f"refused: {error}"
    decoded = CODEC.decode(encoded)
    there = ~np.isnan(case.truth[..., 0])
    if decoded.fps != case.fps or decoded.unit != case.unit:
        return f"BROKEN: {decoded.fps!r} fps, {decoded.unit}"
    if decoded.positions.shape != case.truth.shape or (decoded.valid != there).any():
        return "BROKEN: other keypoints"
    errors = np.sqrt(np.square(decoded.positions.astype(float) - case.truth).sum(axis=-1))[there]
    bound = 0.0 if case.goal == "lossless" else case.bound
    reached = float(errors.mean() if case.goal == "mean_error" else errors.max())
    if not reached <= bound:
        return f"BROKEN: {case.goal} {reached:.9g}, promised {bound:.9g}"
    kept = verify(encoded.header, decoded, len(encoded.data), sequence).kept
    return "kept" if kept else "BROKEN: the verdict is not kept"


def run(numbers: range, seconds: float = np.inf) -> Counter[str]:
    """What came of cases, by kind and goal; those that broke are printed."""
    found: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            if time.monotonic() > end:
                break
            case = make_case(number, Path(folder))
            verdict = judge(case)
            case.path.unlink()
            found[f"{case.kind:8} {case.goal:10} {verdict.partition(':')[0]}"] += 1
            if not verdict.startswith("kept"):
                print(f"{number} {case.kind} {case.goal}: {verdict}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Run, print, and fail if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=np.inf)
    given = parser.parse_args()
    found = run(range(given.first, given.first + given.count), given.seconds)
    print(json.dumps(dict(sorted(found.items())), indent=1))
    total = Counter({word: 0 for word in ("kept", "refused", "BROKEN")})
    for name, count in found.items():
        total[name.split()[-1]] += count
    print(", ".join(f"{count} {word}" for word, count in total.items()))
    sys.exit(bool(total["BROKEN"]))


if __name__ == "__main__":
    main()
