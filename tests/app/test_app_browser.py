"""The command's app in a real browser: a pair is dropped, fused, compared, downloaded; nothing leaves the machine."""

import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from fusing.made import smooth
from reference.networks import scatter
from ssvif.fusing.api import fuse, load_model
from ssvif.models.registry import build_fusion_model, save_fusion_model

pytestmark = pytest.mark.skipif(not find_spec("gradio"), reason="the extra ssvif[app] is not installed")
PATIENCE_MS = 120_000
# the command, in a process that says and refuses whatever it asks of other machines
SERVER = """
import socket, sys
LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", None)
def guard(name, ask, host_of):
    def guarded(*arguments, **named):
        host = host_of(*arguments)
        if host not in LOCAL:
            print("REACHED OUT", name, host, file=sys.stderr, flush=True)
            raise OSError("no network in this test")
        return ask(*arguments, **named)
    return guarded
socket.getaddrinfo = guard("getaddrinfo", socket.getaddrinfo, lambda host, *_: host)
connect = socket.socket.connect
socket.socket.connect = guard("connect", connect, lambda _, to: to[0] if isinstance(to, tuple) else "")
from ssvif.cli.app import main
sys.argv = ["ssvif", "app", "--no-browser", "--device", "cpu", "--model", "mine.safetensors"]
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    for name in ("mine", "other"):
        save_fusion_model(scatter(build_fusion_model("seafusion")), folder / f"{name}.safetensors", name="seafusion",
                          facts={"title": name})  # fmt: skip
    visible, infrared = smooth(0, 192, 224), smooth(1, 192, 224, 0)
    Image.fromarray(visible).save(folder / "visible.png")
    Image.fromarray(infrared).save(folder / "infrared.png")
    Image.fromarray(infrared.astype(np.uint16) * 40 + 7000).save(folder / "infrared16.tiff")
    Image.fromarray(infrared[:90, :50]).save(folder / "small.png")
    (folder / "broken.png").write_bytes((folder / "infrared.png").read_bytes()[:300])
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """The running command; what it wrote to its log so far is in `log`."""
    log = folder / "log.txt"
    settings = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", SERVER], cwd=folder, stderr=stream, stdout=stream,
                                   env=settings | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def address_of(server):
    process, log = server
    for _ in range(600):
        if found := re.search(r"open (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def page(browser, server):
    address, asked = address_of(server), []

    def answer(route):
        asked.append(route.request.url)
        local = route.request.url.startswith((f"{address}/", "data:", "blob:"))
        route.continue_() if local else route.abort()

    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    page.route("**/*", answer)
    page.goto(address)
    page.wait_for_selector("#start")
    yield page
    page.close()
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []


def drop(page, side, path):
    if page.locator(f"#{side} button[aria-label='Clear'], #{side} button[title='Clear']").count():
        page.locator(f"#{side} button[aria-label='Clear'], #{side} button[title='Clear']").first.click()
    page.set_input_files(f"#{side} input[type=file]", path)
    page.wait_for_selector(f"#{side} img", state="attached")


def sources(page):
    """Addresses of the slider's two images."""
    return [each.get_attribute("src") for each in page.query_selector_all("#slider img")]


def press_fuse(page):
    before = sources(page)
    page.click("#start")
    page.wait_for_function(
        "before => { const now = [...document.querySelectorAll('#slider img')].map(each => each.src);"
        " return now.length === 2 && now.every(Boolean) && now[1] !== before[1]; }",
        arg=before,
    )


def downloaded(page, folder):
    with page.expect_download() as waiting:
        page.click("#saved")
    waiting.value.save_as(folder / "saved.png")
    return waiting.value.suggested_filename, np.asarray(Image.open(folder / "saved.png"))


def test_a_pair_is_fused_compared_and_downloaded(page, folder):
    drop(page, "visible", folder / "visible.png")
    drop(page, "infrared", folder / "infrared.png")
    press_fuse(page)
    visible, infrared = (np.asarray(Image.open(folder / name)) for name in ("visible.png", "infrared.png"))
    expected = fuse(visible, infrared, load_model(folder / "mine.safetensors", device="cpu"))
    name, saved = downloaded(page, folder)
    assert name == "visible_fused.png"
    np.testing.assert_array_equal(saved, expected)
    shown = page.inner_text("#metrics")
    assert "Qabf" in shown
    assert "SSIM (L=255)" in shown
    assert re.search(r"\d\.\d{2}", shown)
    assert "224×192 pixels" in page.inner_text("#remarks")
    before = sources(page)
    page.locator("#beside label", has_text="infrared").click()
    page.wait_for_function("before => document.querySelector('#slider img').src !== before", arg=before[0])


def test_the_slider_moves(page):
    handle = page.locator("#slider [role=slider], #slider .handle, #slider .outer, #slider .inner").first
    before = handle.bounding_box()
    page.mouse.move(before["x"] + before["width"] / 2, before["y"] + before["height"] / 2)
    page.mouse.down()
    page.mouse.move(before["x"] + 150, before["y"] + before["height"] / 2, steps=5)
    page.mouse.up()
    assert abs(handle.bounding_box()["x"] - before["x"]) > 50


def test_sixteen_bits_and_a_fusion_without_a_network(page, folder):
    drop(page, "infrared", folder / "infrared16.tiff")
    page.click("#network input")
    page.locator("[role=option]", has_text="average").click()
    press_fuse(page)
    infrared = np.asarray(Image.open(folder / "infrared16.tiff")).astype(np.uint16)
    expected = fuse(np.asarray(Image.open(folder / "visible.png")), infrared, load_model("average"))
    np.testing.assert_array_equal(downloaded(page, folder)[1], expected)


def test_a_network_is_added(page, folder):
    with page.expect_file_chooser() as waiting:
        page.click("#more")
    waiting.value.set_files(folder / "other.safetensors")
    page.wait_for_function("() => document.querySelector('#network input').value === 'other.safetensors'")
    press_fuse(page)


def test_a_tiff_is_shown_and_fused_by_a_range_and_in_colors_of_ones_own(page, folder):
    """Browsers draw no TIFF, so what is shown is a picture of it; what is fused is the file."""
    drop(page, "visible", folder / "visible.png")
    drop(page, "infrared", folder / "infrared16.tiff")
    page.wait_for_function("() => document.querySelector('#infrared img')?.naturalWidth === 224")
    page.click("#options button")
    page.fill("#infrared-range input", "7000:17200")
    page.keyboard.press("Enter")
    page.locator("#color label", has_text="visible's").click()
    press_fuse(page)
    infrared = np.asarray(Image.open(folder / "infrared16.tiff")).astype(np.uint16)
    expected = fuse(np.asarray(Image.open(folder / "visible.png")), infrared, load_model(folder / "other.safetensors"),
                    infrared_range=(7000, 17200), color="ycbcr")  # fmt: skip
    np.testing.assert_array_equal(downloaded(page, folder)[1], expected)


@pytest.mark.parametrize(
    ("name", "range_text", "says"),
    [
        ("broken.png", "auto", "broken.png cannot be read as an image"),
        ("infrared.png", "hot", "'hot' is not a valid range"),
        ("small.png", "auto", "differ in size"),
    ],
)
def test_what_is_wrong_is_said_and_the_last_result_is_gone(page, folder, name, range_text, says):
    drop(page, "infrared", folder / name)
    page.fill("#infrared-range input", range_text)
    page.keyboard.press("Enter")
    page.click("#start")
    said = page.locator("#remarks", has_text=says)
    said.wait_for()
    assert "Not fused." in said.inner_text()
    assert "Traceback" not in said.inner_text()
    assert page.locator("#slider img").count() == 0
    assert page.locator("#saved button, button#saved").first.is_disabled()


def test_the_app_kept_to_this_machine_and_ends_when_told(server, page):
    process, log = server
    process.send_signal(signal.SIGINT)
    assert process.wait(180) == 0
    text = log.read_text()
    assert "REACHED OUT" not in text
    assert "Traceback" not in text
    assert text.rstrip().endswith("the app has ended")
