"""The documentation site: built without a warning, complete, read on a screen and a phone, searched from disk."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from report.browsing import watched_pages
from ssvif.cli.app import VERBS
from ssvif.metrics.collection import METRICS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not find_spec("material"), reason="the extra ssvif[docs] is not installed")
LOOKS = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


def build(source, folder):
    """Build the site of a checkout as `make docs` does: status and what was said."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([*command, "--config-file", str(source / "docs/site/mkdocs.yml")], env=settings, check=False,
                          capture_output=True, encoding="utf-8")  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    status, said = build(ROOT, folder)
    assert status == 0, said
    return folder


def text_of(page):
    """What a page says, without its navigation."""
    article = page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
    return unescape(re.sub(r"<[^>]+>", "", article))


def test_a_link_into_nothing_ends_the_build(tmp_path):
    shutil.copytree(ROOT / "docs/site", tmp_path / "docs/site")
    for each in (*ROOT.iterdir(), *(ROOT / "docs").iterdir()):
        if each.name not in ("docs", "site", "index.md"):
            (tmp_path / each.relative_to(ROOT)).symlink_to(each)
    (tmp_path / "docs/index.md").write_text("[a](nowhere.md) [b](metrics.md#nothing) [c](../src/nothing.py)\n")
    status, said = build(tmp_path, tmp_path / "out")
    assert status == 1
    assert "Aborted with 3 warnings" in said
    assert all(each in said for each in ("nowhere.md", "#nothing", "src/nothing.py"))


def test_commands_settings_and_formulas_are_complete(site):
    commands = (site / "reference/commands.html").read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="ssvif-([\w-]+)"', commands) == [each.__name__.replace("_", "-") for each in VERBS]
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    keys = [*schema["properties"], *(key for each in schema["$defs"].values() for key in each["properties"])]
    page = (site / "reference/settings.html").read_text(encoding="utf-8")
    assert sorted(re.findall(r"<tr>\s*<td><code>(\w+)</code>", page)) == sorted(keys)
    metrics = (site / "metrics.html").read_text(encoding="utf-8")
    parts = re.split(r"<h3 ", metrics.partition('<h2 id="formulas"')[2].partition("<h2 ")[0])[1:]
    assert sorted(name for part in parts for name in re.findall(r"<code>(\w+)</code>", part.partition("</h3>")[0])) == (
        sorted(METRICS)
    )
    assert all('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in part for part in parts)


def test_files_outside_the_pages_are_shown_and_linked(site):
    page = (site / "own_cameras.html").read_text(encoding="utf-8")
    assert 'href="repository/config/datasets/folder.yaml.html"' in page
    shown = text_of(site / "repository/config/datasets/folder.yaml.html")
    assert (ROOT / "config/datasets/folder.yaml").read_text(encoding="utf-8").strip() in shown
    assert 'href="../annotations.html' in (site / "repository/config/index.html").read_text(encoding="utf-8").replace(
        "../../", "../"
    )
    assert "0.1.0 (unreleased)" in text_of(site / "repository/CHANGELOG.html")


def test_the_api_shows_what_docstrings_say(site):
    shown = " ".join(text_of(site / "reference/api.html").split())
    for each in ("ssvif.load_model", "Return a fuser for fuse", "UserError", "make_pseudo_label", "GradientWeighting"):
        assert each in shown


@pytest.fixture
def show(browser, site):
    """Open a page of the site; at the end nothing was complained about and nothing came from elsewhere."""
    with watched_pages(browser, site, "blob:") as open_page:
        yield open_page


def check_page(show, name, look):
    """A page is no wider than the screen, and axe finds nothing serious on it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = show(name, *look[:2], color_scheme=look[2])
    assert page.evaluate("document.documentElement.scrollWidth") <= look[0], name
    found = axe.Axe().run(page, options={"preload": False}).response
    assert len(found["passes"]) > 10
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious] == [], name
    page.close()


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("name", ["index.html", "own_model.html"])
def test_pages_are_fit_for_everybody(show, name, look):
    check_page(show, name, look)


@pytest.mark.slow
@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]], ids=str)
def test_every_page_is_fit_for_everybody(show, site, look):
    pages = [each.relative_to(site).as_posix() for each in site.rglob("*.html") if each.name != "404.html"]
    own = sorted(name for name in pages if not name.startswith("repository/"))
    assert len(own) > 15
    for name in (*own, "repository/config/datasets/folder.yaml.html", "repository/src/ssvif/training/loop.py.html"):
        check_page(show, name, look)


def test_wide_tables_and_formulas_scroll_on_a_phone(show):
    for name, wide in (("results.html", ".md-typeset__scrollwrap"), ("metrics.html", ".formula")):
        boxes = show(name, 390, 844).locator(wide)
        widths = boxes.evaluate_all("all => all.map(each => [each.scrollWidth, each.clientWidth])")
        assert any(inner > outer for inner, outer in widths)
        assert all(outer <= 390 for _, outer in widths)


def test_the_theme_is_toggled_and_kept(show):
    page = show("index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_title("Dark", exact=True).click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(page.url.replace("index.html", "metrics.html"))
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_search_finds_pages_settings_and_functions(show, size):
    page = show("index.html", *size)
    if size[0] < 600:
        page.locator("label[for=__search].md-header__button").click()
    field = page.get_by_role("textbox", name="Search")
    for words, place in (("thermal counts", "thermal.html"), ("gradient_share", "reference/settings.html"),
                         ("make_pseudo_label", "reference/api.html"), ("xydeas", "metrics.html")):  # fmt: skip
        field.clear()
        field.press_sequentially(words)
        page.locator(f'.md-search-result__link[href*="{place}"]').first.wait_for()
