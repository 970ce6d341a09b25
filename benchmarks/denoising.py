"""`encode --denoise auto` against the clean truth, beside a Savitzky-Golay and a One-Euro filter of the best setting.

    python benchmarks/denoising.py --data ../shared/data [--every 4]

White noise is added to the validation motion (coco19, mm; and as the studio's cameras see it, px). The filters' settings are
the best at each level of noise, by the truth that they do not have; posecodec estimates the noise. Needs scipy. Prints a
table and writes benchmarks/results/denoising.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from skeletons import SHORTEST, load_flat, load_solid

from posecodec.analysis.denoising import remove_noise
from posecodec.codec import PoseCodec
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO17, COCO19

Points = NDArray[np.float64]
LEVELS = {"mm": (2.0, 5.0, 10.0, 20.0, 40.0), "px": (0.5, 1.0, 2.0, 4.0, 8.0)}
WINDOWS, ORDERS = (5, 7, 9, 11, 15, 21), (2, 3)
CUTOFFS, BETAS = (0.5, 1.0, 2.0, 4.0, 8.0), (0.0005, 0.002, 0.005, 0.02, 0.1)
RESULT = Path(__file__).parent / "results" / "denoising.json"


def filter_one_euro(points: Points, cutoff: float, beta: float, rate: float) -> Points:
    """Casiez, Roussel and Vogel, "1 Euro Filter" (2012), each coordinate for itself."""
    made, speed = points.copy(), np.zeros_like(points[0])
    for t in range(1, len(points)):
        change = (points[t] - made[t - 1]) * rate
        speed += (change - speed) / (1 + rate / (2 * np.pi))
        share = 1 / (1 + rate / (2 * np.pi * (cutoff + beta * np.abs(speed))))
        made[t] = made[t - 1] + share * (points[t] - made[t - 1])
    return made


def measure(made: list[Points], truth: list[Points]) -> float:
    """Mean distance from the truth."""
    return float(
        np.mean(np.concatenate([np.linalg.norm(a - b, axis=-1).ravel() for a, b in zip(made, truth, strict=True)]))
    )


def measure_level(clips: list[PoseSequence], level: float, rng: np.random.Generator) -> dict[str, Any]:
    """A row: distances from the truth by method, and bits a frame."""
    codec, truth = PoseCodec(), [clip.positions[:, 0].astype(np.float64) for clip in clips]
    noisy = [points + rng.normal(scale=level, size=points.shape) for points in truth]
    smooth = {(w, o): measure([savgol_filter(p, w, o, axis=0) for p in noisy], truth) for w in WINDOWS for o in ORDERS}
    euro = {(c, b): measure([filter_one_euro(p, c, b, 30.0) for p in noisy], truth) for c in CUTOFFS for b in BETAS}
    given = [
        clip.with_positions(p[:, None].astype(np.float32), clip.confidence)
        for clip, p in zip(clips, noisy, strict=True)
    ]
    coded = [codec.encode(sequence, denoise="auto") for sequence in given]
    frames = sum(clip.frames for clip in clips)
    plain = [codec.encode(sequence, mean_error=1.6 * level) for sequence in given]
    return {
        "unit": clips[0].unit, "noise": level, "estimated": round(float(np.mean([each.noise for each in coded])), 3),
        "input": round(measure(noisy, truth), 3), "savitzky-golay": round(min(smooth.values()), 3),
        "one-euro": round(min(euro.values()), 3),
        "denoise": round(measure([codec.decode(each).positions[:, 0] for each in coded], truth), 3),
        "denoise, not coded": round(measure([remove_noise(each).sequence.positions[:, 0] for each in given], truth), 3),
        "bits a frame": round(sum(len(each.data) for each in coded) * 8 / frames, 2),
        "transform at 1.6 sigma": round(measure([codec.decode(each).positions[:, 0] for each in plain], truth), 3),
        "its bits a frame": round(sum(len(each.data) for each in plain) * 8 / frames, 2),
    }  # fmt: skip


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with val/ and cameras/.")
@click.option("--every", default=4, show_default=True, help="Take every so many clips.")
def main(data: Path, every: int) -> None:
    """Measure, print and write."""
    rng, rows = np.random.default_rng(0), []
    for clips in (list(load_solid(data, COCO19, every)), list(load_flat(data, COCO17, 2 * every))):
        kept = [clip for clip in clips if clip.frames >= SHORTEST]
        for level in LEVELS[kept[0].unit]:
            rows.append(measure_level(kept, level, rng))
            click.echo("  ".join(f"{name} {value}" for name, value in rows[-1].items()))
    RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
