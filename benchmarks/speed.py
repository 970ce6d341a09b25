"""Speed of the shipped weights as ratios to real time at 30 fps, warm, one person.

    python benchmarks/speed.py [--out benchmarks/results/speed.json]

The round trip is verified before anything is timed; a long recording and a 10-second clip, on one thread.
"""

from __future__ import annotations

import json
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

import posecodec
from posecodec.pose.synthetic import walk

JITTER = 0.5  # mm a coordinate, of recordings that a bound is asked for
BOUNDS = {"max-error 5 mm": 5.0, "max-error 1 mm": 1.0, "frame by frame 1 mm": 1.0}
WINDOWS_QP = 144
"""Windows that are off by about 50 mm."""


def time_call(call: Any, repeats: int = 5) -> float:
    """Median time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def measure_bound(name: str, bound: float, frames: int) -> dict[str, Any]:
    """Encode and decode a walk that jitters within a bound in mm: as `--max-error` does, or frame by frame alone."""
    still, rng = walk(frames), np.random.default_rng(0)
    noise = rng.normal(0, JITTER, still.positions.shape).astype(np.float32)
    sequence, codec = still.with_positions(still.positions + noise, still.confidence), posecodec.PoseCodec()
    encode = partial(codec.encode, sequence, max_error=bound)
    if name.startswith("frame by frame"):
        encode = partial(codec.encode_frame_by_frame, sequence, bound)
    encoded = encode()
    off = np.linalg.norm(codec.decode(encoded.to_bytes()).positions - sequence.positions, axis=-1)
    assert off.max() <= bound
    spent = {"encode": time_call(encode, 3), "decode": time_call(lambda: codec.decode(encoded))}
    ratios = {f"{way}_times_real_time": frames / 30 / value for way, value in spent.items()}
    return {"model": name, "frames": frames, **ratios}


def measure(model: str, frames: int) -> dict[str, Any]:
    """Encode and decode a walk: windows or tokens alone of a model, or the transform at the default quality."""
    codec = posecodec.PoseCodec.from_pretrained(None if model == "transform" else model)
    sequence = walk(frames)
    if model.endswith("2d"):
        flat = sequence.positions[..., :2] * np.array([0.3, -0.3], np.float32)
        sequence = posecodec.PoseSequence.from_arrays(flat, fps=30.0, unit="px", up="-y")
    if model.startswith("body"):
        encode = partial(codec.encode, levels=codec.tokenizer.default_levels)
    else:
        encode = codec.encode if model == "transform" else partial(codec.encode_windows, qp=WINDOWS_QP)
    encoded = encode(sequence)
    assert codec.decode(encoded.to_bytes()).frames == frames
    lasts = frames / 30
    spent = {
        "encode": time_call(lambda: encode(sequence)),
        "decode": time_call(lambda: codec.decode(encoded)),
    }
    ratios = {f"{name}_times_real_time": lasts / value for name, value in spent.items()}
    return {"model": model, "frames": frames, **ratios}


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/speed.json"), show_default=True
)
def main(out: Path) -> None:
    """Time the shipped weights."""
    rows = [measure(m, f) for m in ("transform", "windows3d", "windows2d", "body3d", "body2d") for f in (300, 9000)]
    rows += [measure_bound(n, bound, f) for n, bound in BOUNDS.items() for f in (300, 9000)]
    print(f"{'model':20}  frames  encode x real time  decode x real time")
    for r in rows:
        encode, decode = r["encode_times_real_time"], r["decode_times_real_time"]
        print(f"{r['model']:20}  {r['frames']:6}  {encode:18.0f}  {decode:18.0f}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
