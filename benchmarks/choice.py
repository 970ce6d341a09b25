"""Whether the encoder's own choice is never worse than any way alone, over the validation motion.

    python benchmarks/choice.py [--data ../shared/data]

For the default and coarse goals: the file that `encode` chooses, against the transform alone and windows alone, each the
smallest file within the same mean error. Exits with 1 where the choice is larger.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

import posecodec
from posecodec.bench.data import Take, load_split
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.ratecontrol.constants import REFINED_QPS

GUARANTEE_BYTES = 6
"""What a goal adds to a header."""
FINEST_QP = 80
"""Of windows that are tried."""
GOALS: tuple[dict[str, float], ...] = ({}, {"mean_error": 40.0}, {"mean_error": 60.0}, {"mean_error": 90.0})


def measure_error(codec: posecodec.PoseCodec, data: bytes, take: Take) -> float:
    """Mean error of a file, mm."""
    return float(np.linalg.norm(codec.decode(data).positions[:, 0] - take.points, axis=-1).mean())


def encode_windows_alone(codec: posecodec.PoseCodec, take: Take, error: float, coarsest: int) -> int | None:
    """Bytes of the coarsest windows, by fine steps, that are no farther off; None where none are."""
    for qp in range(coarsest, FINEST_QP, -1):
        data = codec.encode_windows(take.to_sequence(), qp).data
        if measure_error(codec, data, take) <= error:
            return len(data)
    return None


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--goal", "chosen", type=int, help="Only this goal, 0 the default.")
@click.option("--limit", type=int, help="Only the first so many takes.")
def main(data: Path, chosen: int | None, limit: int | None) -> None:
    """Compare the choice with each way alone."""
    codec, plain = posecodec.PoseCodec.from_pretrained("windows3d"), posecodec.PoseCodec.from_pretrained(None)
    worse = 0
    for goal in GOALS if chosen is None else (GOALS[chosen],):
        chose, sizes, kinds = 0, [0, 0], {"windows": 0, "transform": 0}
        for take in load_split(data, "val")[:limit]:
            ours = codec.encode(take.to_sequence(), **goal)
            alone = plain.encode(take.to_sequence(), **goal)
            kinds[ChunkKind.read_from(container.read(ours.data)[1][0].base).label] += 1
            chose += len(ours.data)
            sizes[0] += len(alone.data)
            allowed = goal.get("mean_error") or measure_error(plain, alone.data, take)
            assert measure_error(codec, ours.data, take) <= allowed * (1 + 1e-6)
            by_windows = encode_windows_alone(codec, take, allowed, 192 if goal else 128)
            sizes[1] += by_windows or 0
            worse += by_windows is not None and by_windows + (GUARANTEE_BYTES if goal else 0) < len(ours.data)
            worse += len(ours.data) > len(alone.data)
        click.echo(f"{goal or 'default'}: chosen {chose:,} bytes {kinds}; transform {sizes[0]:,}, windows {sizes[1]:,}")
    click.echo(
        f"{worse} worse than a way alone (refined windows are among what the encoder tries, of QPs {REFINED_QPS})"
    )
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
