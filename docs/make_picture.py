"""Makes docs/walk.png: ten seconds of the sample walk, encoded with the default settings, under its decoded form.

Run it from a checkout: python docs/make_picture.py
"""

from __future__ import annotations

from pathlib import Path

import posecodec
from posecodec.analysis.report import report
from posecodec.pose.synthetic import walk
from posecodec.view import write

PICTURE = Path(__file__).parent / "walk.png"


def main() -> None:
    """Encode, decode, draw, and print what it cost."""
    codec = posecodec.PoseCodec.from_pretrained("body3d")
    original = walk(frames=300, fps=30)
    data = codec.encode(original).to_bytes()
    decoded = codec.decode(data)
    write(original, PICTURE, decoded, title="Ten seconds of walking", size=len(data), force=True)
    print(report(original, decoded, original.positions.nbytes, len(data)).describe(PICTURE.name))


if __name__ == "__main__":
    main()
