"""Five seconds out of a recording of an hour: how much of the file is read, how long that takes, how often a server is asked.

    python benchmarks/random_access.py [FILE.posec] [--data ../shared/data] [--places 200]

Without a file the hour of `benchmarks/long.py` is encoded. Places are spread evenly. Bytes are those that the system counts
as read by this process. Chunks of 1024 frames are read whole: one of 106 is 0.94 % of a file in the mean, of half a minute in
which much happens more, and five seconds may lie in two.
"""

from __future__ import annotations

import http.server
import re
import threading
import time
from pathlib import Path

import click
import numpy as np
from long import make_people

from posecodec import PoseCodec
from posecodec.bitstream.container import PosecFile
from posecodec.bitstream.header import CHUNK_FRAMES

SECONDS = 5
SHARE = 0.015  # Of the file that may be read
WARM_SECONDS = 0.05  # That it may take
REQUESTS = 3  # That a server may be sent


def read_place(codec: PoseCodec, source: Path | str, start: float) -> float:
    """Seconds that it takes to decode five seconds from a time on."""
    began = time.perf_counter()
    with PosecFile(source) as file:
        codec.decode(file, frames=file.header.find_frames(start, start + SECONDS))
    return time.perf_counter() - began


def count_bytes() -> int:
    """What this process has read so far, as Linux counts it."""
    return int(re.findall(r"rchar: (\d+)", Path("/proc/self/io").read_text())[0])


def serve(data: bytes, asked: list[str]) -> http.server.ThreadingHTTPServer:
    """A server of one file that answers ranges and notes what it is asked."""

    class Ranges(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.headers.get('Range', '')}".strip())
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            first, last = (int(found[1]), min(int(found[2]) + 1, len(data))) if found else (0, len(data))
            self.send_response(206 if found else 200)
            self.send_header("Content-Length", str(last - first))
            if found:
                self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(data)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[first:last])

        do_GET = do_HEAD = answer

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True)
@click.option("--places", default=200, show_default=True)
def main(file: Path | None, data: Path, places: int) -> None:
    """Print bytes, milliseconds and requests. Exits with 1 where places in one chunk take more than they may, in the mean."""
    if file is None:
        file = Path("hour.posec")
        PoseCodec.from_pretrained("windows3d").encode(make_people(data, 1, 108_000)).save(file, force=True)
    codec, size = PoseCodec.from_pretrained("windows3d"), file.stat().st_size
    with PosecFile(file) as opened:
        rate, length = opened.header.rate, opened.header.frames / opened.header.rate - SECONDS
    read_place(codec, file, 0)  # compiled kernels and pages of the file are there from now on
    unread = count_bytes()
    unread = count_bytes() - unread  # what counting itself reads
    rows = []
    for start in np.linspace(0, length, places):
        before = count_bytes()
        took = read_place(codec, file, start)
        share = (count_bytes() - before - unread) / size
        chunks = {int(frame) // CHUNK_FRAMES for frame in (start * rate, (start + SECONDS) * rate - 1)}
        rows.append((share, took, len(chunks)))
    asked: list[str] = []
    server = serve(file.read_bytes(), asked)
    for _ in range(2):  # the first imports what HTTP needs
        asked.clear()
        remote = read_place(codec, f"http://127.0.0.1:{server.server_port}/a.posec", min(600, length))
    server.shutdown()
    click.echo(f"{file}: {size:,} bytes, {SECONDS} s from each of {places} places")
    failed = len(asked) > REQUESTS
    for count in (1, 2):
        shares, times = np.array([(share, took) for share, took, chunks in rows if chunks == count]).reshape(-1, 2).T
        if shares.size:
            failed |= count == 1 and bool(np.mean(shares) > SHARE or np.median(times) > WARM_SECONDS)
            click.echo(
                f"in {count} of its chunks, {shares.size}: {100 * shares.mean():.2f} % of the file read, at most "
                f"{100 * shares.max():.2f} %, in {100 * np.mean(shares <= SHARE):.0f} % of places no more than "
                f"{100 * SHARE:g} %; {1000 * np.median(times):.0f} ms, at most {1000 * times.max():.0f}"
            )
    click.echo(f"over HTTP: {len(asked)} requests ({'; '.join(asked)}), {1000 * remote:.0f} ms")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
