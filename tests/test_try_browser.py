"""The page that fuses in the browser (docs/try.md): what it makes of two files, beside what `ssvif fuse` does."""

import re
import shutil
import struct
import threading
from base64 import b64decode
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fusing.made import smooth
from test_site import LOOKS, build, check_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GATHERED = DOCS / "assets/try"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm", "fast.onnx")
pytestmark = pytest.mark.skipif(
    not all((GATHERED / name).exists() for name in RUNTIME), reason="`make docs` has not gathered what the page loads"
)
PATIENCE_MS = 60_000
DROP = """([name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  return data;
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    """A server of files as `python -m http.server` is one, without any header of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def write_site(folder):
    """Write what the page is without the site's theme: the HTML of its Markdown, beside the files that it loads."""
    found = re.search(r"<link.*</script>", (DOCS / "try.md").read_text(encoding="utf-8"), re.DOTALL)
    (folder / "try.html").write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{found[0]}", encoding="utf-8"
    )
    shutil.copytree(DOCS / "assets", folder / "assets")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = serve(write_site(tmp_path_factory.mktemp("site")))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page(browser, site):
    """The page, which asks nothing of other machines and complains about nothing."""
    asked, complaints = [], []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site}/try.html")
    yield page
    page.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((f"{site}/", "data:", "blob:"))] == []


def give(page, visible, infrared):
    """Choose both files and return what is said in the end."""
    page.set_input_files("#try-visible input", visible)
    page.set_input_files("#try-infrared input", infrared)
    return wait(page, f"Fused|{re.escape(Path(infrared).name)}|{re.escape(Path(visible).name)}|differ")


def wait(page, pattern):
    page.wait_for_function(
        "pattern => new RegExp(pattern).test(document.getElementById('try-status').textContent)", arg=pattern
    )
    return page.inner_text("#try-status")


def saved(page, folder):
    with page.expect_download() as waiting:
        page.click("#try-save")
    waiting.value.save_as(folder / "saved.png")
    return waiting.value.suggested_filename, np.asarray(Image.open(folder / "saved.png"))


def color(height=60, width=80):
    return smooth(0, height, width)


def gray(height=60, width=80):
    return smooth(1, height, width, 0)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def gamma():
    information = PngInfo()
    information.add(b"gAMA", struct.pack(">I", 100_000))
    return information


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


# what is fused: name and pixels of both files, and options to write them with
PAIRS = {
    "color and gray": (("v.png", color(), {}), ("i.png", gray(), {})),
    "gray and gray": (("v.png", gray(), {}), ("i.png", gray()[::-1], {})),
    "odd sides": (("v.png", color(37, 53), {}), ("i.png", gray(37, 53), {})),
    "one row": (("v.png", color(2, 90)[:1], {}), ("i.png", gray(2, 90)[:1], {})),
    "strips": (("v.png", color(1501, 901), {}), ("i.png", gray(1501, 901), {})),
    "BMP": (("v.bmp", color(), {}), ("i.bmp", gray(), {})),
    "a file with gamma": (("v.png", color(), {"pnginfo": gamma()}), ("i.png", gray(), {"pnginfo": gamma()})),
    "a turned photo": (("v.jpg", color(), {"exif": turned(), "quality": 95}), ("i.png", gray(80, 60), {})),
    "opaque alpha": (("v.png", np.dstack([color(), np.full((60, 80), 255, np.uint8)]), {}), ("i.png", gray(), {})),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS)
def test_the_result_is_that_of_the_command(page, call, tmp_path, case):
    (visible, pixels, options), (infrared, others, more) = PAIRS[case]
    save(tmp_path / visible, pixels, **options)
    save(tmp_path / infrared, others, **more)
    compare(page, call, tmp_path, visible, infrared)
    assert page.locator("#try-notes li").count() == 0


def compare(page, call, folder, visible, infrared):
    """Fuse two files in the page and by the command, which agree within one level, and return the page's notes."""
    said = give(page, folder / visible, folder / infrared)
    status, _, errors = call("fuse", folder / visible, folder / infrared, "-o", folder / "fused.png", "--device", "cpu")
    assert status == 0, errors
    expected = np.asarray(Image.open(folder / "fused.png"))
    height, width = expected.shape[:2]
    assert re.fullmatch(rf"Fused {width}×{height} pixels in \d+\.\d\d s with the network fast\.", said)
    name, found = saved(page, folder)
    assert name == "v_fused.png"
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1
    shown = page.evaluate("document.getElementById('try-fused').toDataURL()").partition("base64,")[2]
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(b64decode(shown))).convert("RGB")), found)
    return page.locator("#try-notes").inner_text()


@pytest.mark.parametrize(("height", "width"), [(30, 40), (120, 160), (45, 60), (61, 80), (37, 50)])
def test_infrared_of_another_size_is_resized_as_by_the_command(page, call, tmp_path, height, width):
    save(tmp_path / "v.png", color())
    save(tmp_path / "i.png", gray(height, width))
    notes = compare(page, call, tmp_path, "v.png", "i.png")
    assert f"visible 80×60, infrared {width}×{height}; the infrared image is resized" in notes


def test_the_luma_of_a_color_mapped_infrared_image_is_used_with_a_warning(page, call, tmp_path):
    save(tmp_path / "v.png", color())
    save(tmp_path / "i.png", colormaps["inferno"](gray(), bytes=True)[..., :3])
    assert "looks color-mapped" in compare(page, call, tmp_path, "v.png", "i.png")


def write_refused(folder):
    """Files that are refused as the infrared image, each with what is said."""
    save(folder / "sixteen.png", gray().astype(np.uint16) * 257)
    save(folder / "real.tif", gray())
    save(folder / "clear.png", np.dstack([color(), gray()]))
    save(folder / "wide.png", gray(60, 120))
    save(folder / "huge.png", np.zeros((5001, 5001), np.uint8))
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    (folder / "damaged.png").write_bytes((folder / "wide.png").read_bytes()[:60])
    return {
        "sixteen.png": "holds 16 bits a value, of which a browser keeps 8. ssvif fuse uses all of them",
        "real.tif": "is not a PNG, JPEG or BMP image",
        "clear.png": "has transparent pixels",
        "wide.png": "differ in shape: visible 80×60, infrared 120×60. Expected are equal sizes",
        "huge.png": "5001×5001 are more than 25 megapixels",
        "text.png": "is not a PNG, JPEG or BMP image",
        "empty.png": "is not a PNG, JPEG or BMP image",
        "damaged.png": "cannot be read as an image",
    }


def test_what_is_refused_says_why_and_leaves_no_result(page, tmp_path):
    save(tmp_path / "v.png", color())
    save(tmp_path / "i.png", gray())
    for name, says in write_refused(tmp_path).items():
        assert give(page, tmp_path / "v.png", tmp_path / "i.png").startswith("Fused")
        assert page.locator("#try-result, #try-save").locator("visible=true").count() == 2
        assert says in give(page, tmp_path / "v.png", tmp_path / name)
        assert page.get_attribute("#try-status", "class") == "try-error"
        assert page.locator("#try-result, #try-save, #try-progress").locator("visible=true").count() == 0
    page.set_input_files("#try-visible input", save(tmp_path / "other.png", color()))
    page.locator("#try-visible", has_text="other.png, 80×60").wait_for()
    assert "damaged.png cannot be read" in wait(page, "damaged|missing")  # as long as that file is the one chosen


def test_dropped_files_are_taken_and_the_last_ones_win(page, call, tmp_path):
    files = {}
    for name, pixels in (("v.png", color()), ("i.png", gray()), ("other.png", gray()[::-1])):
        files[name] = list(save(tmp_path / name, pixels).read_bytes())
    for side, name in (("visible", "v.png"), ("infrared", "other.png"), ("infrared", "i.png")):
        dropped = page.evaluate_handle(DROP, [name, files[name]])
        page.dispatch_event(f"#try-{side} b", "drop", {"dataTransfer": dropped})
    page.locator("#try-infrared", has_text="i.png, 80×60").wait_for()
    wait(page, "Fused")
    call("fuse", tmp_path / "v.png", tmp_path / "i.png", "-o", tmp_path / "fused.png", "--device", "cpu")
    found, expected = saved(page, tmp_path)[1], np.asarray(Image.open(tmp_path / "fused.png"))
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_example_is_compared_by_keys_and_pointer(page):
    page.click("#try-example")
    page.locator("#try-infrared", has_text="infrared.png, 640×480").wait_for()
    wait(page, "Fused 640×480")
    split = "Number(document.getElementById('try-result').style.getPropertyValue('--split') || 50)"
    divider = page.get_by_label("Divider")
    before = page.evaluate(split)
    divider.press("ArrowRight")
    assert before < page.evaluate(split) < before + 2
    box = page.locator(".try-compare").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 100, steps=3)
    page.mouse.up()
    assert page.evaluate(split) == pytest.approx(25, abs=1)
    assert float(divider.input_value()) == pytest.approx(25, abs=1)
    looks = "document.getElementById('try-source').toDataURL()"
    before = page.evaluate(looks)
    page.get_by_label("infrared", exact=True).check()
    assert page.evaluate(looks) != before
    assert page.inner_text(".try-left") == "infrared"


def test_files_are_chosen_by_keys(page, tmp_path):
    save(tmp_path / "v.png", color())
    with page.expect_file_chooser() as waiting:
        page.get_by_label("Visible image").press("Enter")
    waiting.value.set_files(tmp_path / "v.png")
    page.locator("#try-visible", has_text="v.png, 80×60").wait_for()


def test_it_says_what_is_missing(browser, tmp_path):
    folder = write_site(tmp_path)
    for name in RUNTIME[1:]:
        (folder / "assets/try" / name).unlink()
    server = serve(folder)
    page = browser.new_page()
    try:
        for address, says in (
            (f"http://127.0.0.1:{server.server_port}", "built without ort-wasm-simd-threaded.wasm, fast.onnx."),
            (folder.as_uri(), "Run python -m http.server"),
        ):
            page.goto(f"{address}/try.html")
            page.locator("#try-status", has_text=says).wait_for()
            assert page.get_by_label("Visible image").is_disabled()
            assert page.locator("#try-example").is_disabled()
    finally:
        page.close()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The address of the whole site."""
    if not find_spec("material"):
        pytest.skip("the extra ssvif[docs] is not installed")
    folder = tmp_path_factory.mktemp("built")
    status, said = build(ROOT, folder)
    assert status == 0, said
    server = serve(folder)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_result_and_an_error_are_fit_for_everybody(browser, built, look):
    def show(name, width, height, color_scheme):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=color_scheme)
        page.goto(f"{built}/{name}")
        page.click("#try-example")
        wait(page, "Fused 640×480")
        return page

    def show_error(*args, **kwargs):
        page = show(*args, **kwargs)
        page.set_input_files("#try-visible input", __file__)
        wait(page, "is not a PNG")
        return page

    check_page(show, "try.html", look)
    check_page(show_error, "try.html", look)
