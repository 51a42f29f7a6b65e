"""The service with the shipped models, and the page in a real browser that shows what it makes."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from PIL import Image

from wholeface.perceive import NETWORKS, has_weights

from .conftest import Server, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")

_TEXTURE = "256"
_PATIENCE_S = 400.0  # kernels are compiled when they run first on a machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("real")
    running = Server(folder / "store", folder / "log", max_pixels=1_000_000, max_seconds=_PATIENCE_S)
    yield running
    running.end()


@pytest.fixture(scope="module")
def finished(server: Server, grace_hopper: Path) -> dict[str, Any]:
    """The answer about a photo that is done, and the names of the stages that were told."""
    form = {"photo": ("../../holiday.jpg", grace_hopper.read_bytes())}
    sent = httpx.post(
        f"{server.url}/v1/reconstructions", files=form, data={"texture_size": _TEXTURE}, timeout=60
    )
    assert sent.status_code == 202, sent.text
    answers = []
    with httpx.stream("GET", f"{server.url}{sent.json()['url']}/events", timeout=_PATIENCE_S) as events:
        answers += [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert answers[-1]["status"] == "done", answers[-1]
    return {
        **answers[-1],
        "stages": [answer["progress"]["stage"] for answer in answers if "progress" in answer],
    }


def test_a_head_is_made_and_its_stages_are_told(finished: dict[str, Any]) -> None:
    stages = finished["stages"]
    assert stages[:3] == ["reading the photo", "finding faces", "landmark fit"]
    assert stages[-1] == "writing the head"
    assert len(set(stages)) == len(stages)
    (face,) = finished["faces"]
    assert face["spectacles"]["kind"] == "glasses"
    assert 0.05 < face["hidden_fraction"] < 0.6
    assert sum(face["provenance"].values()) == pytest.approx(1, abs=0.001)
    assert finished["photo"]["width"] == 512


def test_files_of_a_head(server: Server, finished: dict[str, Any]) -> None:
    trimesh = pytest.importorskip("trimesh")
    files = finished["faces"][0]["files"]
    glb = httpx.get(server.url + files["face.glb"], timeout=60).content
    scene = trimesh.load(io.BytesIO(glb), file_type="glb")
    assert sum(len(mesh.vertices) for mesh in scene.geometry.values()) > 5000
    assert b'"jawOpen"' in glb[:200_000]
    sizes = [
        Image.open(io.BytesIO(httpx.get(server.url + url, timeout=60).content)).size
        for url in (
            files["screen_deoccluded.jpg"],
            files["screen_occluder.png"],
            finished["files"]["photo.jpg"],
        )
    ]
    assert sizes == [(512, 600)] * 3


def test_nothing_tells_where_the_server_keeps_things(server: Server, finished: dict[str, Any]) -> None:
    record = httpx.get(server.url + finished["faces"][0]["files"]["face.json"], timeout=60)
    assert record.json()["photo"]["source"] == "<upload>"
    for text in (record.text, json.dumps(finished)):
        assert str(server.log.parent) not in text
        assert "holiday" not in text


@pytest.mark.parametrize(
    ("size", "kind", "word"),
    [
        ((64, 64), "no_face", "min_face="),
        ((1200, 1000), "photo", "send a smaller one"),
        ((8, 8), "photo", "too small"),
        (None, "photo", "the photo"),
    ],
)
def test_what_is_wrong_with_a_photo_is_said_in_words(
    server: Server, finished: dict[str, Any], size: tuple[int, int] | None, kind: str, word: str
) -> None:
    stream = io.BytesIO(b"no image")
    if size is not None:
        Image.new("RGB", size, "grey").save(stream, "PNG")
    sent = httpx.post(f"{server.url}/v1/reconstructions", files={"photo": stream.getvalue()}, timeout=60)
    url = f"{server.url}{sent.json()['url']}"
    wait_until(lambda: httpx.get(url, timeout=60).json()["status"] == "failed", 120, "failed")
    error = httpx.get(url, timeout=60).json()["error"]
    assert error["kind"] == kind
    assert word in error["message"]
    assert "--" not in error["message"]
    assert "<" not in error["message"]


# The page.


def _chromium() -> str:
    for name in ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    path = os.environ.get("WHOLEFACE_CHROMIUM", "/usr/lib/chromium/chromium-headless-shell")
    if not Path(path).is_file():
        pytest.skip("needs Chromium (Debian: chromium; or set WHOLEFACE_CHROMIUM)")
    return path


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    """A page in a browser that reports every request beyond the server, and every error, in ``page.complaints``."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    quiet = [
        "--disable-background-networking",
        "--no-first-run",
        "--disable-component-update",
        "--disable-sync",
    ]
    graphics = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", *quiet, *graphics]
        )
        page = browser.new_page(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
        page.set_default_timeout(120_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on(
            "request", lambda r: None if r.url.startswith((server.url, "blob:")) else complaints.append(r.url)
        )
        page.complaints = complaints  # type: ignore[attr-defined]
        yield page
        browser.close()


def _pixels(place: Locator) -> np.ndarray:
    """(H, W, 3) float: what is on the screen there."""
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB"), dtype=float)


def _settled(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _shown(page: Page, mode: str) -> np.ndarray:
    page.check(f"input[name=mode][value={mode}]", force=True)
    _settled(page)
    return _pixels(page.locator("#view canvas"))


def _middle(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return pixels[int(0.45 * height) : int(0.6 * height), int(0.42 * width) : int(0.58 * width)].reshape(
        -1, 3
    )


def test_a_photo_is_uploaded_and_its_head_is_on_the_canvas(
    page: Page, server: Server, grace_hopper: Path
) -> None:
    page.goto(server.url)
    page.locator("summary").click()
    page.select_option("select[name=texture_size]", "512")
    page.set_input_files("#photo", grace_hopper)
    page.wait_for_selector("#work:not([hidden])")
    page.wait_for_selector("#view[data-ready]", timeout=1000 * _PATIENCE_S)
    assert "#result=" in page.url
    texture = _shown(page, "texture")
    red, green, blue = _middle(texture).mean(axis=0)
    assert red > green + 8 > blue + 8  # skin
    corner = texture[10:40, 20:60].reshape(-1, 3)
    assert corner.std(axis=0).max() < 2  # nothing there
    assert np.abs(_middle(texture).mean(axis=0) - corner.mean(axis=0)).max() > 20
    clay = _middle(_shown(page, "clay"))
    assert np.ptp(clay.mean(axis=0)) < 25  # grey
    seen = _middle(_shown(page, "provenance"))
    assert ((seen[:, 1] > seen[:, 0] + 40) & (seen[:, 1] > seen[:, 2] + 40)).mean() > 0.1  # green: seen
    assert "seen in the photo" in page.locator("#legend").inner_text().lower()
    assert np.ptp(_middle(_shown(page, "confidence")), axis=0).max() > 40
    assert page.complaints == []  # type: ignore[attr-defined]


def test_a_slider_opens_the_mouth_and_nothing_else(page: Page) -> None:
    page.click("[data-view=front]")
    page.click("[data-preset=Neutral]")
    rest = _shown(page, "texture")
    page.locator("[data-expression=jawOpen]").evaluate(
        "(slider) => { slider.value = 0.8; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    _settled(page)
    moved = np.abs(_pixels(page.locator("#view canvas")) - rest).max(axis=2) > 25
    half = len(moved) // 2
    assert moved[half:].mean() > 0.02
    assert moved[: int(0.4 * len(moved))].mean() < 0.001
    page.click("[data-preset=Blink]")
    _settled(page)
    blinked = np.abs(_pixels(page.locator("#view canvas")) - rest).max(axis=2) > 25
    assert blinked[:half].sum() > 50
    assert blinked[int(0.7 * len(moved)) :].mean() < 0.001


def test_the_head_turns_by_keys(page: Page) -> None:
    canvas = page.locator("#view canvas")
    page.click("[data-view=front]")
    _settled(page)
    before = _pixels(canvas)
    canvas.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    _settled(page)
    assert (np.abs(_pixels(canvas) - before).max(axis=2) > 25).mean() > 0.05


def test_before_and_after(page: Page) -> None:
    layers = page.locator("#layers")
    slider = page.locator("#divide")
    images = []
    for key in ("End", "Home"):
        slider.focus()
        page.keyboard.press(key)
        _settled(page)
        images.append(_pixels(layers))
    before, after = images
    changed = (np.abs(before - after).max(axis=2) > 40).mean()
    assert 0.005 < changed < 0.3  # her spectacles are gone, the rest is as it was
    page.check("#show-mask")
    _settled(page)
    redder = _pixels(layers) - after
    assert (redder[..., 0] - redder[..., 1] > 30).mean() > 0.01


def test_downloads_open_elsewhere(page: Page, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    with page.expect_download() as waiting:
        page.click("#downloads a.main")
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == "wholeface_1_face.glb"
    scene = trimesh.load(path)
    extent = scene.bounds[1] - scene.bounds[0]
    assert 0.2 < extent[1] < 0.5  # metres


def test_the_page_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        _settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("#view canvas").bounding_box()["width"] > 250  # type: ignore[index]
    finally:
        page.set_viewport_size({"width": 1300, "height": 900})


def test_everything_that_can_be_used_has_a_name(page: Page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, canvas")]
            .filter((e) => e.offsetParent && !(e.labels?.length || e.textContent.trim()
              || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")))
            .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_the_result_is_there_after_a_reload_and_errors_are_said(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.reload()
    page.wait_for_selector("#view[data-ready]")
    page.click("#again")
    page.wait_for_selector("#start:not([hidden])")
    (tmp_path / "text.jpg").write_text("no image")
    page.set_input_files("#photo", tmp_path / "text.jpg")
    page.wait_for_selector("#message:not([hidden])")
    assert "photo" in page.locator("#message").inner_text()
    assert page.locator("#start").is_visible()
    assert page.complaints == []  # type: ignore[attr-defined]
