"""Parts of a file: the frames and people that are asked for come back, and no more than they need is read."""

from __future__ import annotations

import gzip
import http.server
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cli.commands import call
from numpy.testing import assert_array_equal

from posecodec import PoseCodec, PoseSequence
from posecodec.bitstream import container
from posecodec.bitstream.container import Chunk, PosecFile
from posecodec.bitstream.header import Header, Track
from posecodec.cli.part import parse_frames, parse_time
from posecodec.errors import InputError, UsageError
from posecodec.io.byte_source import ByteSource
from posecodec.pose.channels import Channel, read_channels, store_channels
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

CODEC = PoseCodec()
HOUR = 108_000  # frames at 30 a second


def crowd(**fields) -> PoseSequence:
    """Two people for 2,500 frames; the second is gone in the middle."""
    sequence = walk(2500, people=2)
    positions, confidence = sequence.positions.copy(), sequence.confidence.copy()
    positions[1000:2000, 1], confidence[1000:2000, 1] = np.nan, 0
    options = {"fps": 30, "unit": "mm", "up": "y", "skeleton": COCO19, "ids": ("Anna", "Ben"), **fields}
    return PoseSequence.from_arrays(positions, confidence=confidence, **options)


def repeat_chunk(frames: int) -> bytes:
    """A long file at no cost: the same chunk over and over, and a shorter last one."""
    made = [CODEC.encode_at_qp(walk(length), 100) for length in (1024, frames % 1024 or 1024)]
    bases = [container.read(each.data)[1][0].base for each in made]
    count = -(-frames // 1024)
    old = made[0].header
    header = Header(
        b"", old.transform, 3, "mm", "y", old.coded_up, COCO19, 30.0, None, frames, ("0",), (Track(0, 0, frames),)
    )
    return container.write(header, [Chunk(bases[0])] * (count - 1) + [Chunk(bases[1])])


@pytest.fixture(scope="module")
def coded() -> tuple[bytes, PoseSequence]:
    data = CODEC.encode_at_qp(crowd(), 200).data
    return data, CODEC.decode(data)


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hour") / "hour.posec"
    path.write_bytes(repeat_chunk(HOUR))
    return path


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """How many bytes each access read."""
    found, read = list[int](), ByteSource.read

    def count(self: ByteSource, start: int, stop: int) -> bytes:
        data = read(self, start, stop)
        found.append(len(data))
        return data

    monkeypatch.setattr(ByteSource, "read", count)
    return found


@pytest.mark.parametrize(
    "frames", [slice(0, 1), slice(1000, 1100), slice(1023, 1025), slice(1500, None), slice(-10, None), slice(None)]
)
@pytest.mark.parametrize("people", [None, ["Ben"], ["Ben", "Anna"], ["Anna", "Anna"], []])
def test_a_part_is_that_part_of_the_whole(coded, frames, people):
    data, whole = coded
    found = CODEC.decode(data, frames=frames, people=people)
    numbers = [("Anna", "Ben").index(name) for name in dict.fromkeys(("Anna", "Ben") if people is None else people)]
    assert_array_equal(found.positions, whole.positions[frames][:, numbers])
    assert_array_equal(found.confidence, whole.confidence[frames][:, numbers])
    assert found.ids == tuple(whole.ids[number] for number in numbers) and found.fps == 30


@pytest.mark.parametrize("lossless", [False, True])
def test_times_and_channels_are_cut_too(lossless):
    times = 1e6 + np.cumsum(np.random.default_rng(0).exponential(0.03, 2500))
    angles = np.random.default_rng(1).normal(size=(2500, 3)).astype(np.float32).cumsum(axis=0)
    angles[70:90] = np.nan
    metadata = {
        "note": "a",
        **store_channels([Channel("knee", "angles", "deg", angles), Channel("f", "forces", "N", angles)]),
    }
    data = CODEC.encode(crowd(fps=None, timestamps=times, metadata=metadata), lossless=lossless).data
    whole, found = CODEC.decode(data), CODEC.decode(data, frames=slice(50, 1200), people=["Ben"])
    assert found.timestamps.tobytes() == times[50:1200].tobytes() and found.metadata["note"] == "a"
    for cut, full in zip(*(read_channels(s.metadata, s.frames) for s in (found, whole)), strict=True):
        assert_array_equal(cut.values, full.values[50:1200])
        assert (cut.name, cut.kind, cut.unit) == (full.name, full.kind, full.unit)
        assert cut.bound == pytest.approx(full.bound)
    assert_array_equal(found.positions, whole.positions[50:1200, 1:])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"frames": slice(2500, 2600)}, "no frames 2500 to 2600"), ({"frames": slice(7, 7)}, "no frames"),
        ({"frames": slice(0, 9, 2)}, "steps of 2"), ({"people": ["Anna", "Cleo"]}, "no person 'Cleo'"),
    ],
)  # fmt: skip
def test_what_is_not_there_cannot_be_asked_for(coded, options, match):
    with pytest.raises(UsageError, match=match):
        CODEC.decode(coded[0], **options)


def test_frames_of_times():
    for rate, start, end, wanted in ((30, 1, 2, (30, 60)), (29.97, 10, 10.1, (300, 303)), (60, 0.05, 0.0501, (3, 4))):
        header = PosecFile(CODEC.encode_at_qp(crowd(fps=rate), 300).data).header
        found = header.find_frames(start, end)
        assert (found.start, found.stop) == wanted
        assert header.find_frames(0, float("inf")) == slice(0, 2500)
    times = 50 + np.arange(2500) ** 2 / 100
    header = PosecFile(CODEC.encode_at_qp(crowd(fps=None, timestamps=times), 300).data).header
    assert header.find_frames(1, 4) == slice(10, 20) and header.find_frames(0, float("inf")) == slice(0, 2500)


def test_what_is_not_asked_for_may_be_damaged(coded):
    data, whole = coded
    wrong = bytearray(data)
    wrong[-1] ^= 1
    assert_array_equal(CODEC.decode(bytes(wrong), people=["Anna"]).positions, whole.positions[:, :1])
    assert_array_equal(CODEC.decode(bytes(wrong[:-1]), frames=slice(0, 999)).positions, whole.positions[:999])


def test_five_seconds_of_an_hour_read_next_to_nothing(hour, reads):
    for _ in range(3):
        reads.clear()
        began = time.process_time()
        with PosecFile(hour) as file:
            found = CODEC.decode(file, frames=file.header.find_frames(600, 605))
        took = time.process_time() - began
    assert found.frames == 150 and sum(reads) <= 0.015 * hour.stat().st_size and len(reads) <= 4
    assert took < 0.5  # 30 ms where nothing else runs
    whole = CODEC.decode(hour, frames=slice(17408, 18432))
    assert_array_equal(found.positions, whole.positions[592:742])


def test_gzip_files_are_read_as_ever(coded, tmp_path):
    (tmp_path / "a.posec.gz").write_bytes(gzip.compress(coded[0]))
    assert_array_equal(CODEC.decode(tmp_path / "a.posec.gz").positions, coded[1].positions)


class Ranges(http.server.BaseHTTPRequestHandler):
    """A server of one file, with ranges or without; lists what it was asked."""

    data, ranges, asked = b"", True, list[str]()

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(self.data)

    def _answer(self, data: bytes) -> None:
        self.asked.append(f"{self.command} {self.headers.get('Range', '')}")
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if self.ranges else None
        first, last = (int(found[1]), min(int(found[2]) + 1, len(self.data))) if found else (0, len(self.data))
        self.send_response(404 if self.path != "/a.posec" else 206 if found else 200)
        self.send_header("Content-Length", str(last - first))
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(self.data)}")
        self.end_headers()
        self.wfile.write(data[first:last])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(Ranges, "asked", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a.posec"
        server.shutdown()


def test_a_url_is_asked_three_times(hour, server, monkeypatch):
    monkeypatch.setattr(Ranges, "data", hour.read_bytes())
    with PosecFile(server) as file:
        found = CODEC.decode(file, frames=file.header.find_frames(600, 605))
    assert len(Ranges.asked) == 3, Ranges.asked
    assert_array_equal(found.positions, CODEC.decode(hour, frames=slice(18000, 18150)).positions)
    Ranges.asked.clear()
    with PosecFile(server) as file:
        assert len(file.read_all()) == 106 and len(Ranges.asked) == 3


def test_servers_that_do_not_help(server, monkeypatch):
    monkeypatch.setattr(Ranges, "data", repeat_chunk(30_000))
    with pytest.raises(InputError, match="nothing.posec: cannot be read"):
        PosecFile(server.replace("/a.", "/nothing."))
    monkeypatch.setattr(Ranges, "ranges", False)
    with pytest.raises(InputError, match="in ranges .* download the file"):
        CODEC.decode(server, frames=slice(29_000, 29_010))
    with pytest.raises(InputError, match="cannot be read"):
        PosecFile("nosuchscheme://a/b.posec")


def test_commands_decode_parts(coded, tmp_path, server, monkeypatch, capsys):
    data, whole = coded
    (tmp_path / "a.posec").write_bytes(data)
    for source, *options in (
        (tmp_path / "a.posec", "--start", "00:00:50", "--end", "0:51"), (tmp_path / "a.posec", "--frames", "1500:1530"),
        (server, "--frames", "1500:1530"),
    ):  # fmt: skip
        monkeypatch.setattr(Ranges, "data", data)
        assert call(capsys, "decode", source, *options, "--person", "Ben", "-o", tmp_path / "out.npz", "-f")[0] == 0
        with np.load(tmp_path / "out.npz") as arrays:
            assert_array_equal(arrays["positions"], whole.positions[1500:1530, 1:])
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "decode", server)[0] == 0 and (tmp_path / "a.npz").exists()
    assert "Ben" in call(capsys, "info", server)[1]
    code, _, said = call(capsys, "decode", "a.posec", "--frames", "1:2", "--end", "1", "-o", "b.npz")
    assert code == 2 and "either --frames" in said


@pytest.mark.parametrize("text", ["", "1:60:00", "-1", "a", "1:2:3:4", "1e3"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match="is no time"):
        parse_time(text)


@pytest.mark.parametrize("text", ["", "5", "-1:5", "1:2:3"])
def test_what_is_no_range_of_frames(text):
    with pytest.raises(UsageError, match="is no range"):
        parse_frames(text)
