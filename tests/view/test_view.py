"""Pictures of recordings: what the page holds, how large it gets, what is in GIFs and sheets."""

from __future__ import annotations

import base64
import json
import re
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view.recordings import HOSTILE, coming_and_going, empty, flat, noisy

from posecodec.analysis.metrics import compare, error_per_keypoint
from posecodec.errors import DataWarning, InputError, UsageError, make_printable
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk
from posecodec.view import draw, film, write
from posecodec.view import scene as scenes
from posecodec.view.scene import build


def page_of(folder: Path, sequence: PoseSequence, other: PoseSequence | None = None, **more: Any) -> dict[str, Any]:
    """The data of a page, from its text."""
    write(sequence, folder / "a.html", other, **more)
    text = (folder / "a.html").read_text("utf-8")
    found = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', text, re.S)
    assert len(found) == 1
    return json.loads(found[0])


def inflate(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def unpack(packed: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """(T, ..., D) positions, as page_data.js reads them."""
    planes = inflate(packed["data"], "u1").reshape(packed["width"], -1)
    rows = np.ascontiguousarray(planes.T).view(f"<u{packed['width']}").reshape(*shape[1:], shape[0])
    values = np.cumsum(rows, axis=-1, dtype=rows.dtype).view(f"<i{packed['width']}").astype(np.float64)
    values[values == -(2.0 ** (8 * packed["width"] - 1))] = np.nan
    return np.moveaxis(values, -1, 0) * packed["step"] + packed["offset"]


@pytest.mark.parametrize("sequence", [walk(40), coming_and_going(), flat()], ids=["walk", "three", "flat"])
def test_the_page_holds_the_positions(sequence: PoseSequence, tmp_path: Path) -> None:
    page = page_of(tmp_path, sequence, noisy(sequence))
    shown = unpack(page["layers"][0], sequence.positions.shape)
    np.testing.assert_array_equal(np.isnan(shown[..., 0]), ~sequence.valid)
    assert np.nanmax(np.abs(shown - sequence.positions)) <= 0.0005 * page["body"]
    assert page["layers"][0]["width"] == 2
    decoded = unpack(page["layers"][1], sequence.positions.shape)
    assert np.nanmax(np.abs(decoded - noisy(sequence).positions)) <= 0.0005 * page["body"]


def test_errors_are_those_of_metrics(tmp_path: Path) -> None:
    sequence, other = coming_and_going(), noisy(coming_and_going())
    page, errors = page_of(tmp_path, sequence, other, size=1000), error_per_keypoint(sequence, other)
    np.testing.assert_allclose(inflate(page["errors"]["mean"], "<f4"), np.nanmean(errors, axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(inflate(page["errors"]["max"], "<f4"), np.nanmax(errors, axis=(1, 2)), rtol=1e-6)
    total = compare(sequence, other)
    assert page["errors"]["total"] == {"mpjpe": total.mpjpe, "p95": total.p95, "max": total.max}
    assert (page["size"], page["bits"]) == (1000, 8000 / (90 * 3))


def test_other_units_and_orders_are_laid_over(tmp_path: Path) -> None:
    sequence = coming_and_going()
    other = PoseSequence.from_arrays(
        sequence.positions[:, ::-1] / 1000, fps=30, confidence=sequence.confidence[:, ::-1], unit="m", ids=HOSTILE[::-1]
    )
    scene = build(sequence, other, "a", None)
    np.testing.assert_allclose(scene.layers[1].positions, scene.layers[0].positions, rtol=1e-6, atol=1e-3)
    assert scene.errors is not None and scene.errors.total.max < 1e-2


def test_up_is_turned_up_or_guessed() -> None:
    points = walk(30).positions[..., [0, 2, 1]] * np.float32([1, -1, 1])
    for up in ("z", "unknown"):
        scene = build(PoseSequence.from_arrays(points, fps=30, up=up), None, "a", None)
        heights = scene.layers[0].positions[..., 1]
        np.testing.assert_allclose(heights, walk(30).positions[..., 1], atol=1e-3)
        assert any("z is a guess" in note for note in scene.notes) == (up == "unknown")


def test_sizes(tmp_path: Path) -> None:
    sequence = walk(1000)
    write(sequence, tmp_path / "a.html", noisy(sequence))
    assert (tmp_path / "a.html").stat().st_size < 300_000
    bodies = np.repeat(walk(300, people=3).positions, 8, axis=2)[:, :, :137]
    spread = np.random.default_rng(0).uniform(-40, 40, (1, 3, 137, 3)).astype(np.float32)
    write(PoseSequence.from_arrays(bodies + spread, fps=30, unit="mm"), tmp_path / "b.html")
    assert (tmp_path / "b.html").stat().st_size < 1_500_000


def test_long_recordings_are_thinned_and_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scenes, "MOST_FRAMES", 100)
    page = page_of(tmp_path, walk(250), noisy(walk(250)))
    assert (page["stride"], page["shape"][0], page["frames"], page["rate"]) == (3, 84, 250, 10)
    assert page["notes"] == ["A long recording: every 3rd frame is shown."]
    assert len(inflate(page["errors"]["mean"], "<f4")) == 84


def test_far_places_take_four_bytes(tmp_path: Path) -> None:
    points = walk(50).positions + np.arange(50, dtype=np.float32)[:, None, None, None] * 4000
    page = page_of(tmp_path, PoseSequence.from_arrays(points, fps=30))
    assert page["layers"][0]["width"] == 4
    assert np.abs(unpack(page["layers"][0], points.shape) - points).max() <= 0.0005 * page["body"]


def test_rates_and_times_are_not_rounded(tmp_path: Path) -> None:
    page = page_of(tmp_path, flat())
    assert page["rate"] == 29.97 and page["times"] is None
    stamps = 5 + np.cumsum(np.random.default_rng(1).uniform(0.01, 0.1, 60))
    page = page_of(tmp_path, PoseSequence.from_arrays(walk(60).positions, timestamps=stamps), force=True)
    np.testing.assert_array_equal(inflate(page["times"], "<f8"), stamps - stamps[0])


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    title = "</title><script>alert(3)</script>\ud800"
    page = page_of(tmp_path, coming_and_going(), title=title)
    text = (tmp_path / "a.html").read_text("utf-8")
    assert text.count("<script") == 2 and text.count("</title>") == 1 and "alert(1)</script>" not in text
    assert "<img" not in text and "\u2028" not in text
    assert page["ids"] == [make_printable(name) for name in HOSTILE] and page["title"] == make_printable(title)


def test_the_page_may_not_use_the_network(tmp_path: Path) -> None:
    write(walk(3), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy[1]
    assert not re.search(r"https?://|src=|url\(|@import", text)


@pytest.mark.parametrize("suffix", ["html", "gif", "png", "mp4", "webm"])
@pytest.mark.parametrize(
    "sequence",
    [walk(1), empty(0, 1), empty(4, 0), empty(4, 2), PoseSequence.from_arrays(np.full((3, 1, 1, 2), 7.0), fps=30),
     PoseSequence.from_arrays(np.array([[[0, 0, 0], [3e38, -3e38, 1]]] * 2, np.float32), fps=1e-3),
     PoseSequence.from_arrays(np.full((3, 1, 2, 3), 1e-30), fps=1e6)],
    ids=["one frame", "no frames", "no people", "all missing", "one keypoint", "huge", "tiny"],
)  # fmt: skip
@pytest.mark.filterwarnings("error", "ignore:the film shows the first 10 minutes")
def test_edges(sequence: PoseSequence, suffix: str, tmp_path: Path) -> None:
    if suffix != "html":
        pytest.importorskip("PIL")
    if suffix in ("mp4", "webm"):
        pytest.importorskip("imageio_ffmpeg")
    for name, other in (("alone", None), ("compared", sequence)):
        write(sequence, tmp_path / f"{name}.{suffix}", other)
        assert (tmp_path / f"{name}.{suffix}").stat().st_size > 500


@pytest.mark.parametrize("frames, fps, shown, durations", [(400, 29.97, 134, {100, 110}), (100, 120, 34, {20, 30})])
def test_gif_keeps_time(frames: int, fps: float, shown: int, durations: set[int], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    write(walk(frames, fps=fps), tmp_path / "a.gif", noisy(walk(frames, fps=fps)), size=321)
    opened, delays = image.open(tmp_path / "a.gif"), []
    for i in range(opened.n_frames):
        opened.seek(i)
        delays.append(opened.info["duration"])
    assert opened.n_frames == shown and set(delays) == durations
    assert abs(sum(delays) - shown * 3 / fps * 1000) <= 10


def test_legends_have_the_colors_of_the_lines(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    scene = build(flat(), noisy(flat()), "two", None)
    write(flat(), tmp_path / "a.png", noisy(flat()))
    colors = {
        color for _, color in image.open(tmp_path / "a.png").convert("RGB").crop((0, 40, 200, 52)).getcolors(1 << 16)
    }
    assert {draw.choose_color(scene, 0, 0), draw.choose_color(scene, 1, 0)} <= colors
    assert draw.choose_color(scene, 0, 0) != draw.choose_color(build(flat(), None, "one", None), 0, 0)


@pytest.mark.parametrize("suffix, codec", [("mp4", "h264"), ("webm", "vp9")])
@pytest.mark.parametrize("fps, rate", [(29.97, 29.97), (120.0, 60.0)])
def test_films_keep_time(suffix: str, codec: str, fps: float, rate: float, tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    pytest.importorskip("PIL")
    write(walk(41, fps=fps), tmp_path / f"a.{suffix}", noisy(walk(41, fps=fps)))
    frames = ffmpeg.read_frames(str(tmp_path / f"a.{suffix}"))
    facts = next(frames)
    assert codec in facts["codec"] and facts["fps"] == pytest.approx(rate, rel=1e-3)
    assert len(list(frames)) == int(40 / fps * rate) + 1


def test_films_hold_what_is_shown_through_gaps_in_time(tmp_path: Path) -> None:
    sequence = walk(6, fps=10)
    times = np.array([0, 0.1, 0.2, 1.0, 1.1, 1.2])
    scene = build(replace(sequence, fps=None, timestamps=times), None, "gap", None)
    shown = film.choose_frames(scene, 10.0)
    assert shown.tolist() == [0, 1, *[2] * 8, 3, 4, 5]


def test_films_that_end_before_the_recording_say_so() -> None:
    scene = build(replace(walk(4), fps=None, timestamps=np.array([0.0, 1.0, 2.0, 7200.0])), None, "long", None)
    with pytest.warns(DataWarning, match="the first 10 minutes of 120"):
        assert film.choose_frames(scene, 1.0).tolist() == [0, 1, *[2] * 599]


def test_films_without_ffmpeg_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[film\]'"):
        write(walk(2), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_sheet_shows_people_and_error(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    write(coming_and_going(), tmp_path / "a.png", noisy(coming_and_going()), title="<b>", size=321)
    write(coming_and_going(), tmp_path / "b.png")
    tall, short = (image.open(tmp_path / name) for name in ("a.png", "b.png"))
    assert tall.width == short.width and tall.height > short.height + 80
    assert len(tall.convert("RGB").getcolors(1 << 20)) > 100


def test_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\.html, \.gif, \.png, \.mp4 or \.webm"):
        write(walk(2), tmp_path / "a.avi")
    with pytest.raises(InputError, match="2 frames, the other 3"):
        write(walk(2), tmp_path / "a.html", walk(3))
    write(walk(2), tmp_path / "a.HTML")
    with pytest.raises(UsageError, match="exists already"):
        write(walk(2), tmp_path / "a.HTML")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[view\]'"):
        write(walk(2), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.HTML"]
