"""Pictures of recordings: what the page holds, how large it gets, and what a browser makes of it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.analysis.metrics import compare, error_per_keypoint
from posecodec.errors import InputError, UsageError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO17
from posecodec.pose.synthetic import walk
from posecodec.view import scene as scenes
from posecodec.view import write
from posecodec.view.scene import build

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"\u2028\u2029\\u003c{{scene}}&amp;')


def noisy(sequence: PoseSequence, spread: float = 9.0) -> PoseSequence:
    noise = np.random.default_rng(5).normal(0, spread, sequence.positions.shape).astype(np.float32)
    return sequence.with_positions(sequence.positions + noise, sequence.confidence)


def coming_and_going(frames: int = 90) -> PoseSequence:
    """Three people, of whom one comes late and one leaves early, with confidences and a gap."""
    sequence = walk(frames, people=3)
    points = sequence.positions.copy()
    points[: frames // 3, 1] = np.nan
    points[frames // 2 :, 2] = np.nan
    points[5:9, 0, 3:7] = np.nan
    confidence = np.random.default_rng(2).uniform(0.1, 1, points.shape[:3]).astype(np.float32)
    confidence[np.isnan(points[..., 0])] = 0
    return PoseSequence.from_arrays(points, fps=29.97, confidence=confidence, unit="mm", up="y", ids=HOSTILE)


def flat(frames: int = 60) -> PoseSequence:
    points = walk(frames).mapped_to(COCO17).positions
    image = np.stack([900 + 0.2 * points[..., 0], 700 - 0.3 * points[..., 1]], axis=-1)
    return PoseSequence.from_arrays(image, fps=29.97, skeleton=COCO17, unit="px", up="-y", ids=["7"])


def empty(frames: int, people: int) -> PoseSequence:
    return PoseSequence.from_arrays(np.full((frames, people, 19, 3), np.nan, np.float32), fps=30)


def page_of(path: Path) -> dict[str, Any]:
    """The page's data, from its text."""
    found = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert len(found) == 1
    return json.loads(found[0])


def unpacked(packed: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """(T, ..., D) positions, as page.js reads them."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8).reshape(packed["width"], -1)
    rows = np.ascontiguousarray(planes.T).view(f"<u{packed['width']}").reshape(*shape[1:], shape[0])
    values = np.cumsum(rows, axis=-1, dtype=rows.dtype).view(f"<i{packed['width']}").astype(np.float64)
    values[values == -(2.0 ** (8 * packed["width"] - 1))] = np.nan
    return np.moveaxis(values, -1, 0) * packed["step"] + packed["offset"]


def floats(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f4")


@pytest.mark.parametrize("sequence", [walk(40), coming_and_going(), flat()], ids=["walk", "three", "flat"])
def test_the_page_holds_the_positions(sequence: PoseSequence, tmp_path: Path) -> None:
    write(sequence, tmp_path / "a.html", noisy(sequence))
    page = page_of(tmp_path / "a.html")
    shown = unpacked(page["layers"][0], sequence.positions.shape)
    np.testing.assert_array_equal(np.isnan(shown[..., 0]), ~sequence.valid)
    assert np.nanmax(np.abs(shown - sequence.positions)) <= 0.0005 * page["body"]
    assert page["layers"][0]["width"] == 2
    decoded = unpacked(page["layers"][1], sequence.positions.shape)
    assert np.nanmax(np.abs(decoded - noisy(sequence).positions)) <= 0.0005 * page["body"]


def test_errors_are_those_of_metrics(tmp_path: Path) -> None:
    sequence, other = coming_and_going(), noisy(coming_and_going())
    write(sequence, tmp_path / "a.html", other, size=1000)
    page, errors = page_of(tmp_path / "a.html"), error_per_keypoint(sequence, other)
    np.testing.assert_allclose(floats(page["errors"]["mean"]), np.nanmean(errors, axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(floats(page["errors"]["max"]), np.nanmax(errors, axis=(1, 2)), rtol=1e-6)
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
    write(walk(250), tmp_path / "a.html", noisy(walk(250)))
    page = page_of(tmp_path / "a.html")
    assert (page["stride"], page["shape"][0], page["frames"], page["rate"]) == (3, 84, 250, 10)
    assert page["notes"] == ["A long recording: every 3rd frame is shown."]
    assert len(floats(page["errors"]["mean"])) == 84


def test_far_places_take_four_bytes(tmp_path: Path) -> None:
    points = walk(50).positions + np.arange(50, dtype=np.float32)[:, None, None, None] * 4000
    write(PoseSequence.from_arrays(points, fps=30), tmp_path / "a.html")
    page = page_of(tmp_path / "a.html")
    assert page["layers"][0]["width"] == 4
    assert np.abs(unpacked(page["layers"][0], points.shape) - points).max() <= 0.0005 * page["body"]


def test_rates_and_times_are_not_rounded(tmp_path: Path) -> None:
    write(flat(), tmp_path / "a.html")
    assert page_of(tmp_path / "a.html")["rate"] == 29.97
    assert page_of(tmp_path / "a.html")["times"] is None
    stamps = 5 + np.cumsum(np.random.default_rng(1).uniform(0.01, 0.1, 60))
    write(PoseSequence.from_arrays(walk(60).positions, timestamps=stamps), tmp_path / "b.html")
    times = np.frombuffer(zlib.decompress(base64.b64decode(page_of(tmp_path / "b.html")["times"])), "<f8")
    np.testing.assert_array_equal(times, stamps - stamps[0])


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    title = "</title><script>alert(3)</script>\ud800"
    write(coming_and_going(), tmp_path / "a.html", title=title)
    text = (tmp_path / "a.html").read_text("utf-8")
    assert text.count("<script") == 2 and text.count("</title>") == 1 and "alert(1)</script>" not in text
    assert "<img" not in text and "\u2028" not in text
    assert page_of(tmp_path / "a.html")["ids"] == list(HOSTILE)
    assert page_of(tmp_path / "a.html")["title"] == title


def test_the_page_may_not_use_the_network(tmp_path: Path) -> None:
    write(walk(3), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy[1]
    assert not re.search(r"https?://|src=|url\(|@import", text)


@pytest.mark.parametrize("suffix", ["html", "gif", "png"])
@pytest.mark.parametrize(
    "sequence",
    [walk(1), empty(0, 1), empty(4, 0), empty(4, 2), PoseSequence.from_arrays(np.full((3, 1, 1, 2), 7.0), fps=30),
     PoseSequence.from_arrays(np.array([[[0, 0, 0], [3e38, -3e38, 1]]] * 2, np.float32), fps=1e-3),
     PoseSequence.from_arrays(np.full((3, 1, 2, 3), 1e-30), fps=1e6)],
    ids=["one frame", "no frames", "no people", "all missing", "one keypoint", "huge", "tiny"],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_edges(sequence: PoseSequence, suffix: str, tmp_path: Path) -> None:
    if suffix != "html":
        pytest.importorskip("PIL")
    for name, other in (("alone", None), ("compared", sequence)):
        write(sequence, tmp_path / f"{name}.{suffix}", other)
        assert (tmp_path / f"{name}.{suffix}").stat().st_size > 500


def test_gif_keeps_time(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    write(walk(400, fps=29.97), tmp_path / "a.gif", noisy(walk(400, fps=29.97)), size=321)
    opened = image.open(tmp_path / "a.gif")
    assert opened.n_frames == 134
    delays = []
    for i in range(opened.n_frames):
        opened.seek(i)
        delays.append(opened.info["duration"])
    assert set(delays) == {100, 110} and abs(sum(delays) - 134 * 3 / 29.97 * 1000) <= 10
    write(walk(100, fps=120), tmp_path / "b.gif")
    opened = image.open(tmp_path / "b.gif")
    total = 0
    for i in range(opened.n_frames):
        opened.seek(i)
        total += opened.info["duration"]
    assert opened.n_frames == 34 and abs(total - 34 * 3 / 120 * 1000) <= 10


def test_sheet_shows_people_and_error(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    write(coming_and_going(), tmp_path / "a.png", noisy(coming_and_going()), title="<b>", size=321)
    write(coming_and_going(), tmp_path / "b.png")
    tall, short = (image.open(tmp_path / name) for name in ("a.png", "b.png"))
    assert tall.width == short.width and tall.height > short.height + 80
    assert len(tall.convert("RGB").getcolors(1 << 20)) > 100


def test_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\.html, \.gif or \.png"):
        write(walk(2), tmp_path / "a.mp4")
    with pytest.raises(InputError, match="2 frames, the other 3"):
        write(walk(2), tmp_path / "a.html", walk(3))
    write(walk(2), tmp_path / "a.HTML")
    with pytest.raises(UsageError, match="exists already"):
        write(walk(2), tmp_path / "a.HTML")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"pip install 'posecodec\[view\]'"):
        write(walk(2), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.HTML"]


# ---- in a browser

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1000,700"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
            options.add_argument(flag)
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield opened
        opened.quit()


class Page:
    """A page in the browser, with the little that the tests do to it."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())
        self.until(lambda: self.script("return document.documentElement.dataset.ready"))
        self.settle()

    def script(self, code: str, *values: Any) -> Any:
        return self.browser.execute_script(code, *values)

    def until(self, condition: Any, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain; {self.errors()}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()
        self.settle()

    def text(self, name: str) -> str:
        return str(self.script("return document.getElementById(arguments[0]).textContent", name))

    @property
    def frame(self) -> int:
        return int(self.text("frame"))

    def scrub(self, frame: int) -> None:
        code = "const e = document.getElementById('scrub'); e.value = arguments[0]; e.dispatchEvent(new Event('input'))"
        self.script(code, frame)
        self.settle()

    def pixels(self, name: str = "view") -> str:
        return str(self.script("return document.getElementById(arguments[0]).toDataURL()", name))

    def drag(self, dx: int, dy: int) -> None:
        from selenium.webdriver import ActionChains

        view = self.find("#view")
        ActionChains(self.browser, duration=20).click_and_hold(view).move_by_offset(dx, dy).release().perform()
        self.settle()

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()
        self.settle()

    def errors(self) -> list[Any]:
        return [entry for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]


def opened(browser: Any, folder: Path, sequence: PoseSequence, other: PoseSequence | None = None, **more: Any) -> Page:
    write(sequence, folder / "page.html", other, force=True, **more)
    return Page(browser, folder / "page.html")


def test_browser_plays(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, walk(300))
    assert (page.frame, page.text("of"), page.text("time")) == (0, " / 299", "0.00 s")
    start = time.monotonic()
    page.click("#play")
    page.until(lambda: page.frame >= 15)
    assert time.monotonic() - start >= 0.45
    page.click("#play")
    stopped = page.frame
    time.sleep(0.2)
    assert page.frame == stopped
    assert page.errors() == []


def test_browser_speed_and_loop(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, walk(60))
    page.script("const e = document.getElementById('speed'); e.value = '4'; e.dispatchEvent(new Event('change'))")
    page.scrub(40)
    page.click("#play")
    page.until(lambda: page.frame < 40)
    page.click("#play")
    page.click("#loop")
    page.scrub(50)
    page.click("#play")
    page.until(lambda: page.find("#play").get_attribute("aria-label") == "Play")
    assert page.frame == 59
    page.click("#play")
    page.until(lambda: page.frame < 59)
    assert page.errors() == []


def test_browser_speed_is_that_of_the_recording(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, walk(400, fps=29.97))
    for speed, most in ((0.25, 7.6), (4.0, 120.5)):
        page.script("state.speed = arguments[0]; seek(0); play(true); advance(1); play(false)", speed)
        page.settle()
        assert page.frame == int(speed * 29.97) and page.frame <= most


def test_browser_keys(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = opened(browser, tmp_path, walk(300))
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert page.frame == 1
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    page.settle()
    assert page.frame == 11
    page.script("document.getElementById('scrub').focus()")
    page.keys(Keys.ARROW_RIGHT)
    assert page.frame == 12
    page.keys(Keys.END)
    assert page.frame == 299
    page.keys(Keys.HOME, " ")
    page.until(lambda: page.frame > 3)
    page.keys(" ")
    assert page.find("#play").get_attribute("aria-label") == "Play"


def test_browser_reads_out_the_error(browser: Any, tmp_path: Path) -> None:
    sequence, other = walk(120), noisy(walk(120))
    page = opened(browser, tmp_path, sequence, other, size=4321)
    errors = error_per_keypoint(sequence, other)
    for frame in (0, 77, 119):
        page.scrub(frame)
        assert page.frame == frame
        assert page.text("now-mean") == f"{errors[frame].mean():.1f} mm"
        assert page.text("now-max") == f"max {errors[frame].max():.1f}"
    assert page.text("total-mean") == f"{errors.mean():.1f} mm"
    assert page.text("size") == f"4,321 bytes, {8 * 4321 / 120:.0f} bits a frame"
    before = page.pixels("trace")
    page.click("#trace")
    assert abs(page.frame - 59) < 8 and page.pixels("trace") != before
    assert page.errors() == []


def test_browser_turns_moves_and_zooms(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, walk(30), noisy(walk(30)))
    first = page.pixels()
    page.drag(60, 20)
    turned = page.pixels()
    assert turned != first and page.script("return state.yaw") > 0.9
    wheel = "document.getElementById('view').dispatchEvent(new WheelEvent('wheel', {deltaY: -200, cancelable: true}))"
    page.script(wheel)
    page.settle()
    assert page.pixels() != turned and page.script("return state.zoom") > 1.2
    page.click("#reset")
    assert page.pixels() == first
    touch(browser, [(300, 250), (400, 250)], [(250, 250), (450, 250)])
    page.settle()
    assert page.script("return state.zoom") == pytest.approx(2) and page.script("return state.yaw") == 0.6
    assert page.errors() == []


def touch(browser: Any, *steps: list[tuple[int, int]]) -> None:
    """Put fingers down at the first points, move them to the next ones, and lift them."""
    for i, step in enumerate((*steps, [])):
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(step)]
        kind = "touchEnd" if not points else "touchMove" if i else "touchStart"
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_browser_toggles(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, coming_and_going(), noisy(coming_and_going()))
    page.scrub(40)
    first, seen = page.pixels(), set()
    chips = [f"#{group} > :nth-child({i + 1})" for group, count in (("layers", 2), ("people", 3)) for i in range(count)]
    for chip in chips:
        page.click(chip)
        assert page.find(chip).get_attribute("aria-pressed") == "false"
        seen.add(page.pixels())
        page.click(chip)
        assert page.pixels() == first
    assert len(seen - {first}) == 5
    page.click("#follow")
    assert page.errors() == []


def test_browser_shows_hostile_texts_as_texts(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, coming_and_going(), title="</title><script>alert(3)</script>")
    shown = page.script("return [...document.querySelectorAll('#people button span')].map((e) => e.textContent)")
    assert shown == list(HOSTILE)
    assert page.text("title") == browser.title == "</title><script>alert(3)</script>"
    for frame in (0, 29, 30, 45, 89):
        page.scrub(frame)
    assert page.errors() == []


def test_browser_2d(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, flat(), noisy(flat(), 2))
    page.scrub(10)
    head, foot = page.script(
        "const points = projected(layers[0], 0, camera(800, 500).map); return [points[0][1], points[15][1]]"
    )
    assert head < foot
    before = page.pixels()
    page.drag(50, 30)
    assert page.pixels() != before and page.script("return [state.panX, state.panY, state.yaw]") == [50, 30, 0.6]
    assert page.text("now-mean").endswith(" px") and page.text("grid").endswith(" px")
    assert page.errors() == []


def test_browser_positions_are_those_of_the_recording(browser: Any, tmp_path: Path) -> None:
    sequence = coming_and_going()
    page = opened(browser, tmp_path, sequence)
    code = """const [frame, person] = arguments;
    return Array.from({length: 19}, (_, k) => [0, 1, 2].map((d) => layers[0].at(frame, person * 19 + k, d)));"""
    for frame, person in ((0, 0), (0, 1), (7, 0), (40, 1), (89, 2)):
        shown = np.array(page.script(code, frame, person), np.float64)
        np.testing.assert_allclose(shown, sequence.positions[frame, person], atol=0.9)


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        (walk(1), None),
        (empty(0, 1), "no frames"),
        (empty(5, 0), "no people"),
        (empty(5, 2), "every keypoint is missing"),
    ],
    ids=["one frame", "no frames", "no people", "all missing"],
)
def test_browser_edges(browser: Any, tmp_path: Path, sequence: PoseSequence, words: str | None) -> None:
    page = opened(browser, tmp_path, sequence, sequence)
    assert page.find("#notice").is_displayed() == (words is not None)
    assert words is None or words in page.text("notice")
    page.keys(" ")
    page.drag(10, 10)
    assert page.errors() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_fits_a_phone(browser: Any, tmp_path: Path, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    metrics = {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = opened(browser, tmp_path, walk(30), noisy(walk(30)), size=99)
        sizes = "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert page.script(sizes) == [360, 640]
        assert page.script("return document.getElementById('view').height") > 300
        shown = io.BytesIO(browser.get_screenshot_as_png())
        image = pytest.importorskip("PIL.Image").open(shown).convert("L")
        assert (np.median(np.asarray(image)) > 128) == (scheme == "light")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
