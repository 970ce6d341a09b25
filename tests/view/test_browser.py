"""The page in a browser: it plays, turns, reads out errors, fits a phone, and shows texts as texts."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view.recordings import HOSTILE, coming_and_going, empty, flat, noisy

from posecodec.analysis.metrics import error_per_keypoint
from posecodec.errors import make_printable
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk
from posecodec.view import write

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
ActionChains, Keys = webdriver.ActionChains, webdriver.Keys
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1000,700"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
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

    def until(self, condition: Any, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
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
        view = self.find("#view")
        ActionChains(self.browser, duration=20).click_and_hold(view).move_by_offset(dx, dy).release().perform()
        self.settle()

    def keys(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()
        self.settle()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a recording's page; in the end the browser must have nothing to complain of."""

    def open_page(sequence: PoseSequence, other: PoseSequence | None = None, **more: Any) -> Page:
        write(sequence, tmp_path / "page.html", other, force=True, **more)
        return Page(browser, tmp_path / "page.html")

    yield open_page
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def test_it_plays(opened: Any) -> None:
    page = opened(walk(300))
    assert (page.frame, page.text("of"), page.text("time")) == (0, " / 299", "0.00 s")
    start = time.monotonic()
    page.click("#play")
    page.until(lambda: page.frame >= 15)
    assert time.monotonic() - start >= 0.45
    page.click("#play")
    stopped = page.frame
    time.sleep(0.2)
    assert page.frame == stopped


def test_it_plays_faster_and_loops(opened: Any) -> None:
    page = opened(walk(60))
    page.script("const e = document.getElementById('speed'); e.value = '4'; e.dispatchEvent(new Event('change'))")
    page.script("seek(40); play(true); advance(0.2); play(false)")  # 0.8 s later, and the end is at 2 s
    page.settle()
    assert page.frame == 4
    page.click("#loop")
    page.script("seek(50); play(true); advance(0.2)")
    page.settle()
    assert page.frame == 59 and page.find("#play").get_attribute("aria-label") == "Play"
    page.script("play(true); play(false)")
    page.settle()
    assert page.frame == 0


def test_its_speed_is_that_of_the_recording(opened: Any) -> None:
    page = opened(walk(400, fps=29.97))
    for speed, most in ((0.25, 7.6), (4.0, 120.5)):
        page.script("state.speed = arguments[0]; seek(0); play(true); advance(1); play(false)", speed)
        page.settle()
        assert page.frame == int(speed * 29.97) and page.frame <= most


def test_it_heeds_keys(opened: Any) -> None:
    page = opened(walk(300))
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert page.frame == 1
    ActionChains(page.browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
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


def test_it_reads_out_the_error(opened: Any) -> None:
    sequence, other = walk(120), noisy(walk(120))
    page = opened(sequence, other, size=4321)
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


def test_it_turns_moves_and_zooms(opened: Any) -> None:
    page = opened(walk(30), noisy(walk(30)))
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
    touch(page.browser, [(300, 250), (400, 250)], [(250, 250), (450, 250)])
    page.settle()
    assert page.script("return state.zoom") == pytest.approx(2) and page.script("return state.yaw") == 0.6


def touch(browser: Any, *steps: list[tuple[int, int]]) -> None:
    """Put fingers down at the first points, move them to the next ones, and lift them."""
    for i, step in enumerate((*steps, [])):
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(step)]
        kind = "touchEnd" if not points else "touchMove" if i else "touchStart"
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_it_toggles_layers_and_people(opened: Any) -> None:
    page = opened(coming_and_going(), noisy(coming_and_going()))
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


def test_it_shows_hostile_texts_as_texts(opened: Any) -> None:
    page = opened(coming_and_going(), title="</title><script>alert(3)</script>")
    shown = page.script("return [...document.querySelectorAll('#people button span')].map((e) => e.textContent)")
    assert shown == [make_printable(text) for text in HOSTILE]
    assert page.text("title") == page.browser.title == "</title><script>alert(3)</script>"
    for frame in (0, 29, 30, 45, 89):
        page.scrub(frame)


def test_it_shows_images(opened: Any) -> None:
    page = opened(flat(), noisy(flat(), 2))
    page.scrub(10)
    head, foot = page.script(
        "const points = projectPerson(layers[0], 0, placeCamera(800, 500).project); return [points[0][1], points[15][1]]"
    )
    assert head < foot
    before = page.pixels()
    page.drag(50, 30)
    assert page.pixels() != before and page.script("return [state.panX, state.panY, state.yaw]") == [50, 30, 0.6]
    assert page.text("now-mean").endswith(" px") and page.text("grid").endswith(" px")


def test_its_positions_are_those_of_the_recording(opened: Any) -> None:
    sequence = coming_and_going()
    page = opened(sequence)
    code = """const [frame, person] = arguments;
    return Array.from({length: 19}, (_, k) => [0, 1, 2].map((d) => layers[0].at(frame, person * 19 + k, d)));"""
    for frame, person in ((0, 0), (0, 1), (7, 0), (40, 1), (89, 2)):
        shown = np.array(page.script(code, frame, person), np.float64)
        np.testing.assert_allclose(shown, sequence.positions[frame, person], atol=0.9)


@pytest.mark.parametrize(
    ("sequence", "words"),
    [(walk(1), None), (empty(0, 1), "no frames"), (empty(5, 0), "no people"), (empty(5, 2), "every keypoint is missing")],
    ids=["one frame", "no frames", "no people", "all missing"],
)  # fmt: skip
def test_it_shows_what_is_hardly_there(opened: Any, sequence: PoseSequence, words: str | None) -> None:
    page = opened(sequence, sequence)
    assert page.find("#notice").is_displayed() == (words is not None)
    assert words is None or words in page.text("notice")
    page.keys(" ")
    page.drag(10, 10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, opened: Any, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    metrics = {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = opened(walk(30), noisy(walk(30)), size=99)
        sizes = "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert page.script(sizes) == [360, 640]
        assert page.script("return document.getElementById('view').height") > 300
        shown = io.BytesIO(browser.get_screenshot_as_png())
        image = pytest.importorskip("PIL.Image").open(shown).convert("L")
        assert (np.median(np.asarray(image)) > 128) == (scheme == "light")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_names_keypoints_and_ranks_them_by_error(opened: Any) -> None:
    sequence, other = walk(30), noisy(walk(30))
    page = opened(sequence, other)
    errors = error_per_keypoint(sequence, other)
    names = page.script("return [...document.querySelectorAll('#ranks .name')].map((each) => each.textContent)")
    order = np.argsort(-errors.mean(axis=(0, 1)), kind="stable")
    assert names == [sequence.skeleton.keypoints[k] for k in order]
    page.script("document.getElementById('ranking').open = true")
    page.click("#ranks button")
    assert page.text("tip").startswith(names[0]) and "mean" in page.text("tip")
    page.click("#ranks button")
    assert page.find("#tip").get_attribute("hidden")
    at = page.script("return projectPerson(layers[1], 0, shown.project)[4]")
    box = page.script("const b = view.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]")
    offset = [round(at[i] - box[2 + i] / 2) for i in (0, 1)]
    ActionChains(page.browser).move_to_element_with_offset(page.find("#view"), *offset).perform()
    page.settle()
    assert page.text("tip").split(" · ")[0] in sequence.skeleton.keypoints and not page.find("#tip").get_attribute(
        "hidden"
    )
    page.click("#worst")
    assert page.frame == int(errors.max(axis=(1, 2)).argmax())


def test_it_shows_sides_trails_and_views(opened: Any) -> None:
    page = opened(walk(60))
    page.scrub(40)
    for name in ("sides", "trails", "front", "side", "top"):
        before = page.pixels()
        page.click(f"#{name}")
        assert page.pixels() != before, name
    assert page.script("return document.getElementById('backdrop').hidden")


def test_it_shows_a_picture_behind_pixels(opened: Any, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (1920, 1080), (200, 30, 30)).save(tmp_path / "red.png")
    page = opened(flat(20))
    before = page.pixels()
    page.find("#file").send_keys(str(tmp_path / "red.png"))
    page.until(lambda: page.pixels() != before)
