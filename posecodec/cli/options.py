"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

inputs_argument = click.argument("inputs", nargs=-1, required=True, metavar="IN...")
model_option = click.option(
    "-m", "--model", help="Weights by name or path.  [default: by dimensions, or as the file says]"
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
force_option = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
jobs_option = click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
summary_option = click.option(
    "--summary", type=click.Path(path_type=Path), help="Also write the summary there, as JSON."
)
from_option = click.option("--from", "format", help="Format of the input, see `formats`.  [default: by what is in it]")
fps_option = click.option("--fps", type=float, help="Frame rate, where the file has none or a wrong one.")
unit_option = click.option(
    "--unit", help="Unit of the positions, where the file has none or a wrong one: mm, cm, m, px, in."
)
up_option = click.option("--up", help="Which axis is up, where the file does not say: y, -y, z, x, ...")
item_option = click.option("--item", help="Which recording of a file that holds several (h36m).")
track_option = click.option(
    "--track", is_flag=True, help="Follow people by where they are, where the file's order of them is no identity."
)
zeros_option = click.option("--zeros-missing", "zeros", is_flag=True, help="Keypoints at exactly 0,0(,0) are missing.")
