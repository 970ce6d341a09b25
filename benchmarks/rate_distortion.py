"""Rate and distortion of posecodec, B0 and general-purpose compressors on the validation motion.

    python benchmarks/rate_distortion.py [--data ../shared/data] [--out benchmarks/results] [--split nc/val] ...

The same as `posecodec bench rd`, with defaults. Writes rate_distortion.json, .md and .png.
"""

from posecodec.bench.command import rd

if __name__ == "__main__":
    rd.main(default_map={"data": "../shared/data", "out": "benchmarks/results"})
