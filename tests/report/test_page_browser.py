"""The report in a real browser, from disk: what one can do with it by mouse, by keyboard and by ear."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from report.made_results import (
    PAIRS,
    make_results,
    make_source,
    picture,
    write_gradients,
    write_history,
    write_metrics,
    write_pseudo_labels,
)
from ssvif.report.layout import Cell, Heading, Row, Sheet, Table
from ssvif.report.page.site import make_page
from ssvif.report.runs import RunLabel
from ssvif.report.sheets import write_sheet
from ssvif.report.tables import make_tables

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
VIF = {"average": [0.5, 0.7, 0.6, 0.8], "ours": [0.9, 0.4, 0.8, 0.7]}
DELTA = {"average": [4, 5, 6, 7], "ours": [3, 6, 9, 1]}
SIZE = (48, 64)


def made_sheet():
    """A table with groups, a row without a run, and the paper's numbers."""

    def row(label, group, value, paper, runs):
        text = "–" if value is None else f"{value:.1f}"
        others = (Cell(f"{each}", 0, each) if runs else Cell("–", 0, None) for each in (1.0, 2.0))
        cells = [Cell(text, 0, value, published=paper), *others]
        return Row(label, tuple(cells), runs, group)

    rows = (
        row("Alpha", "", 3.0, "9.0", ("average",)),
        row("Beta", "", None, "5.0", ()),
        row("Gamma", "", 7.0, "1.0", ("ours",)),
        row("Delta", "ours", 4.0, "", ("ours",)),
        row("Epsilon", "ours", 10.0, "", ("average",)),
        row("Zeta", "nothing", None, "", ()),
    )
    headings = (Heading("VIF", "", "↑"), Heading("first", "", ""), Heading("second", "", ""))
    return Sheet("table_1", "I", "Quality", "How good.", (Table("1_toy", "Toy", "", "toy", headings, rows),))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    results = make_results(root / "results")
    source = make_source(root / "data", results, *SIZE)
    for run in VIF:
        write_metrics(results, run, {"vif": VIF[run], "delta_e76": DELTA[run]})
    write_history(results / "toy/ours", collapsed=True)
    write_gradients(results / "toy/ours")
    write_pseudo_labels(results / "toy/ours")
    (results / "toy/average/fused/test/003.png").unlink()
    runs = {"toy": [RunLabel("average"), RunLabel("ours", "Ours <b>")]}
    make_tables(results, root / "tables", runs)
    write_sheet(root / "tables", made_sheet())
    picture(root / "figures/fusion_toy.png", np.full((20, 40, 3), 90))
    (root / "figures/fusion_toy.pdf").write_bytes(b"%PDF-1.4\n")
    picture(root / "figures/curves_toy.png", np.full((400, 40, 3), 90))
    settings = {"assumed": {"crop_px": "128 (lost)"}, "reproduce": ["make demo"]}
    figures = root / "figures"
    make_page(results, root / "tables", root / "page", runs, sources={"toy": source}, figures=figures, **settings)
    return root / "page"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser, report):
    """Open a page of the report; at the end nothing was complained about and nothing came from elsewhere."""
    contexts, complaints, requests = [], [], []

    def open_page(name, width=1280, height=800, **settings):
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{report.as_uri()}/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests
    assert [url for url in requests if not url.startswith((f"{report.as_uri()}/", "data:"))] == []


def column(table, number):
    return table.locator(f"tbody tr:visible > :nth-child({number})").all_inner_texts()


def paper_table(page):
    return page.locator("#table-1_toy table")


def ink(screenshot):
    """The brightness farthest from the ground's, which is most of the picture."""
    grey = np.asarray(Image.open(BytesIO(screenshot)).convert("L")).astype(int)
    values = np.unique(grey)
    return values[np.abs(values - np.median(grey)).argmax()]


def names(page):
    # not the inner text, which is empty as long as the browser has not laid a pair out
    return [text.split()[0] for text in page.locator(".pair h2").all_text_contents()]


def over(page, selector=".classes, .box-outline"):
    """How many pictures of the stage have something drawn over them."""
    return page.locator("#stage .picture").filter(has=page.locator(selector)).count()


def zooms(page):
    script = "all => all.map(each => getComputedStyle(each).transform)"
    return page.locator("#stage .picture").evaluate_all(script)


def open_pair(page, place=0):
    page.locator(".thumb").nth(place).click()
    page.locator("#viewer[open]").wait_for()


def test_a_table_sorts_by_any_column_best_first_and_what_is_missing_last(show):
    page = show("index.html")
    table = paper_table(page)
    head = table.locator("thead button", has_text="VIF")
    own = ["Alpha", "Beta", "Gamma", "ours", "Delta", "Epsilon"]
    assert column(table, 1) == own
    head.click()
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("VIF")
    # Beta was not run, so that the paper's number stands for it; the group stays together
    assert column(table, 1) == ["Gamma", "Beta", "Alpha", "ours", "Epsilon", "Delta"]
    assert "sorted by VIF ↑, descending" in page.locator("#tables .announce").inner_text()
    page.locator(".table-tools .view").select_option("measured")
    assert column(table, 1)[:3] == ["Gamma", "Alpha", "Beta"]
    head.focus()
    page.keyboard.press("Enter")
    assert column(table, 1)[:3] == ["Alpha", "Gamma", "Beta"], "what is missing stays last"
    page.keyboard.press("Enter")
    assert column(table, 1) == own
    assert table.locator("[aria-sort]").count() == 0
    page.locator(".table-tools .view").select_option("published")
    head.click()
    assert column(table, 1) == ["Alpha", "Beta", "Gamma", "ours", "Delta", "Epsilon"]
    assert not table.locator(".measured").first.is_visible()
    assert table.locator(".published").first.is_visible()


def test_a_column_where_less_is_better_begins_with_the_least(show):
    table = show("index.html").locator("#table-fusion_metrics_toy table")
    button = table.locator("thead button", has_text="ΔE76")
    button.click()
    assert table.locator("th[aria-sort=ascending]").count() == 1


def test_rows_and_columns_can_be_chosen(show):
    page = show("index.html")
    table = paper_table(page)
    page.locator(".table-tools .filter").fill("psi")
    assert column(table, 1) == ["ours", "Epsilon"]
    page.locator(".table-tools .filter").fill("OURS")
    assert column(table, 1) == ["Gamma", "ours", "Delta", "Epsilon"], "by the run's name, and by the group's"
    page.locator(".table-tools .filter").fill("")
    shown = ["Alpha", "Gamma", "ours", "Delta", "Epsilon"]
    kinds = {
        "run": shown,
        "all": ["Alpha", "Beta", *shown[1:], "nothing", "Zeta"],
        "numbers": ["Alpha", "Beta", *shown[1:]],
    }
    assert column(table, 1) == kinds["numbers"], "as it opens"
    for kind, expected in kinds.items():
        page.locator(".table-tools .rows").select_option(kind)
        assert column(table, 1) == expected
    page.locator("#table-1_toy .columns summary").click()
    page.locator("#table-1_toy .columns").get_by_label("first").uncheck()
    assert table.locator("thead th:visible").count() == 3
    assert table.locator("tbody tr").first.locator("td:visible").count() == 2


def test_a_single_row_is_one(show):
    page = show("index.html")
    page.locator(".table-tools .filter").fill("gamma")
    assert page.locator("#tables .announce").inner_text() == "1 row is shown."
    page.locator(".table-tools .filter").fill("psi")
    assert page.locator("#tables .announce").inner_text() == "1 row is shown."
    page.locator(".table-tools .filter").fill("ours")
    assert page.locator("#tables .announce").inner_text().endswith(" rows are shown.")


def test_a_group_leaves_no_gap_where_nothing_is_above_it(show):
    page = show("index.html")
    head = paper_table(page).locator("tr.group th", has_text="ours")
    room = "each => parseFloat(getComputedStyle(each).paddingTop)"
    between = head.evaluate(room)
    page.locator(".table-tools .filter").fill("psi")
    assert head.evaluate(room) < between


def test_a_dot_leads_to_its_image(show):
    page = show("index.html")
    assert page.locator(".plot circle").count() == 8
    outlier = page.locator('.plot circle[data-run="1"][data-pair="1"]')
    outlier.hover()
    assert page.locator(".tip").inner_text() == "002 · Ours <b> · VIF 0.400"
    outlier.click()
    page.locator("#viewer[open]").wait_for()
    assert page.locator("#viewer-title").inner_text().startswith("002")
    assert page.locator(".tile.chosen figcaption").inner_text().startswith("Ours <b>")


def test_the_worst_images_are_listed_with_links(show):
    page = show("runs/toy/ours.html")
    worst = page.locator(".worst ol")
    assert worst.count() == 1, "on a run's page its own"
    assert worst.locator("a").first.inner_text().strip() == "0.400 · 002"
    page.get_by_label("Metric").select_option(label="ΔE76 ↓")
    assert worst.locator("a").first.inner_text().strip() == "9.00 · 003"
    worst.locator("a").last.press("Enter")
    page.locator("#viewer[open]").wait_for()
    assert page.locator("#viewer-title").inner_text().startswith("004 #4")


def test_the_gallery_filters_and_sorts_by_a_methods_score(show):
    page = show("gallery_toy.html")
    assert names(page) == [name.split()[0] for name in PAIRS]
    page.locator("#order").select_option(label="Ours <b>")
    assert names(page) == ["002", "004", "003", "001"]
    page.locator("#direction").click()
    assert names(page) == ["001", "003", "004", "002"]
    page.locator("#metric").select_option(label="ΔE76 ↓")
    assert names(page) == ["004", "001", "002", "003"]
    page.locator("#filter").fill("#4")
    assert names(page) == ["004"]
    assert page.locator("#count").inner_text() == "1 of 4 pairs"
    assert page.locator(".thumb b").all_inner_texts() == ["", "", "7.00", "1.00"]


def test_only_chosen_methods_are_shown(show):
    page = show("gallery_toy.html")
    page.locator("#tools .picker summary").click()
    page.locator("#tools .picker").get_by_label("Infrared").uncheck()
    first = page.locator(".pair").first
    assert [text.split()[0] for text in first.locator(".thumb").all_inner_texts()] == ["Visible", "average", "Ours"]
    page.keyboard.press("Escape")
    assert not page.locator("#tools .picker > div").is_visible()
    open_pair(page)
    assert page.locator(".tile").count() == 3
    page.locator("#viewer .picker summary").click()
    page.locator("#viewer .picker").get_by_role("button", name="None").click()
    assert page.locator(".tile").count() == 0
    page.locator("#viewer .picker").get_by_label("Ours <b>").check()
    assert page.locator(".tile").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#viewer[open]").count() == 1, "it was the menu that closed"


def test_an_empty_gallery_says_why(show):
    page = show("gallery_toy.html")
    said = page.locator("#nothing")
    assert not said.is_visible()
    page.locator("#filter").fill("zzz")
    assert said.inner_text() == "No pair has “zzz” in its name."
    page.locator("#filter").fill("")
    page.locator("#tools .picker summary").click()
    page.locator("#tools .picker").get_by_role("button", name="None").click()
    assert said.inner_text().startswith("No method is chosen.")
    assert not page.locator("#pairs").is_visible()
    page.locator("#tools .picker").get_by_role("button", name="All").click()
    assert not said.is_visible()
    assert page.locator("#pairs .thumb").first.is_visible()


def test_the_controls_stand_in_one_line_of_a_common_window(show):
    page = show("gallery_toy.html", 1440)
    page.locator("#order").select_option(label="Ours <b>")
    assert page.locator("#tools").bounding_box()["height"] < 60


def test_a_missing_image_is_told_in_words(show):
    page = show("gallery_toy.html")
    assert page.locator(".pair").nth(2).locator(".absent").inner_text() == "no fused image"


def test_by_keyboard_to_a_picture_into_it_through_the_pairs_and_back(show):
    page = show("gallery_toy.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "thumb":
            break
    focused = "document.activeElement.getAttribute('href')"
    assert page.evaluate(focused) == "#001/visible"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "#002/infrared"
    page.keyboard.press("Enter")
    assert page.locator("#viewer-title").inner_text() == "002 2 of 4"
    assert page.evaluate("document.activeElement.id") == "stage"
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-title").inner_text().startswith("003")
    assert page.locator("#viewer-status").inner_text() == "Pair 003, 3 of 4"
    assert page.url.endswith("#003")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-title").inner_text() == "004 #4 4 of 4", "the last one stays"
    page.keyboard.press("Escape")
    assert page.locator("#viewer[open]").count() == 0
    assert page.evaluate(focused) == "#004%20%234/infrared"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.locator("#filter").press("s")
    assert page.locator("#filter").input_value() == "s", "in a field a key is a letter"


def test_all_pictures_zoom_and_move_together(show):
    page = show("gallery_toy.html")
    open_pair(page)
    assert len(zooms(page)) == 4
    before = set(zooms(page))
    box = page.locator(".window").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.querySelector('#stage.zoomed')")
    wheeled = set(zooms(page))
    assert len(wheeled) == 1
    assert wheeled != before
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4 - 30, box["y"] + box["height"] / 4 - 20)
    page.mouse.up()
    dragged = set(zooms(page))
    assert len(dragged) == 1
    assert dragged != wheeled
    x, y = (float(number) for number in re.findall(r"-?[\d.]+", dragged.copy().pop())[-2:])
    old_x, old_y = (float(number) for number in re.findall(r"-?[\d.]+", wheeled.copy().pop())[-2:])
    assert (x - old_x, y - old_y) == pytest.approx((-30, -20), abs=0.5)
    page.keyboard.press("Shift+ArrowRight")
    moved = set(zooms(page))
    assert len(moved) == 1
    assert moved != dragged
    page.keyboard.press("0")
    assert set(zooms(page)) == before


def test_small_pictures_are_enlarged_pixel_by_pixel(show):
    page = show("gallery_toy.html")
    open_pair(page)
    page.keyboard.press("1")
    scale = page.evaluate("SSVIF.pixelScale(SSVIF.pictures.toy.pairs[0])")
    assert scale == pytest.approx(round(scale), abs=1e-6)
    assert scale >= 2
    style = page.locator(".window img").first.evaluate("each => getComputedStyle(each).imageRendering")
    assert style == "pixelated"


def test_two_pictures_are_compared_under_a_slider(show):
    page = show("gallery_toy.html")
    open_pair(page)
    page.keyboard.press("c")
    assert page.locator(".compare .picture").count() == 2
    assert page.locator(".compare .name").all_inner_texts() == ["Visible", "Ours <b>"]
    shown = "getComputedStyle(document.querySelector('.compare .over')).clipPath"
    assert page.evaluate(shown) == "inset(0px 0px 0px 50%)"
    page.locator("#divider").focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(shown) == "inset(0px 0px 0px 49.5%)"
    assert page.locator("#viewer-title").inner_text().startswith("001"), "there the arrow is the slider's"
    box = page.locator(".compare .window").bounding_box()
    handle = page.locator(".handle").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, handle["y"] + 60, steps=3)
    page.mouse.up()
    assert float(page.locator("#divider").input_value()) == pytest.approx(25, abs=0.5)
    page.locator("#left").select_option(label="Infrared")
    page.locator("#stage").focus()
    page.keyboard.press("x")
    assert page.locator(".compare .name").all_inner_texts() == ["Ours <b>", "Infrared"]
    page.keyboard.press("+")
    assert len(zooms(page)) == 2
    assert len(set(zooms(page))) == 1


def test_overlays_are_toggled_by_keys(show):
    page = show("gallery_toy.html")
    page.keyboard.press("s")
    assert page.locator("#tools [data-switch=segmentation]").get_attribute("aria-pressed") == "true"
    assert page.locator(".pair").first.locator(".classes").count() == 4
    assert page.locator("#legend").inner_text().split("\n")[:2] == ["person", "bike"]
    open_pair(page)
    assert over(page) == 4
    address = page.locator(".tile img.classes").last.get_attribute("src")
    assert address == "pictures/toy/001/classes_ours.png"
    page.keyboard.press("g")
    assert page.locator(".tile img.classes").last.get_attribute("src") == "pictures/toy/001/truth.png"
    page.keyboard.press("g")
    page.keyboard.press("s")
    assert over(page) == 0
    page.keyboard.press("b")
    assert over(page, ".box-outline") == 3, "labelled on both sources, one found box, none of the average"
    assert page.locator(".tile .box-outline b").all_inner_texts() == ["person", "person", "person 0.88"]
    page.keyboard.press("b")
    assert over(page) == 0


def test_names_say_what_is_labelled_and_what_was_not_found(show):
    page = show("gallery_toy.html")
    open_pair(page)
    captions = page.locator(".tile figcaption span")
    assert captions.all_inner_texts() == ["Visible", "Infrared", "average", "Ours <b>"]
    page.keyboard.press("s")
    labelled = ["Visible · labelled", "Infrared · labelled"]
    assert captions.all_inner_texts() == [*labelled, "average", "Ours <b>"]
    page.keyboard.press("b")
    assert captions.all_inner_texts() == [*labelled, "average · no detector ran", "Ours <b>"]
    page.keyboard.press("ArrowRight")
    assert captions.all_inner_texts()[-1] == "Ours <b> · no boxes found"
    page.keyboard.press("g")
    assert captions.all_inner_texts() == [*labelled, "average · labelled", "Ours <b> · labelled"]
    page.keyboard.press("g")
    page.keyboard.press("c")
    assert page.locator(".compare .name").all_inner_texts() == [labelled[0], "Ours <b> · no boxes found"]
    page.keyboard.press("Escape")
    assert page.locator(".pair").nth(1).locator(".note").all_inner_texts()[0] == " · labelled"


def test_the_theme_is_toggled_and_kept_and_the_curves_follow(show):
    page = show("index.html", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    dark = page.evaluate(ground)
    assert dark != light
    curves = page.locator(".curves")
    curves.scroll_into_view_if_needed()
    assert ink(curves.screenshot()) > 180, "letters are light on dark"
    button.click()
    assert ink(curves.screenshot()) < 90
    button.click()
    page.goto(page.url.replace("index.html", "gallery_toy.html"))
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) == light


def test_the_systems_theme_is_followed(show):
    luminance = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert max(show("index.html", color_scheme="dark").evaluate(luminance)) < 60
    assert min(show("index.html", color_scheme="light").evaluate(luminance)) > 230


@pytest.mark.parametrize("name", ["index.html", "gallery_toy.html", "runs/toy/ours.html", "gallery_toy.html#001"])
def test_nothing_sticks_out_on_a_phone(show, name):
    page = show(name, 360, 740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    if "#" in name:
        assert page.locator("#viewer[open]").evaluate("each => each.scrollWidth") <= 360
        assert page.locator(".tile").first.bounding_box()["width"] > 100


def test_a_phone_shows_names_and_the_best_run(show):
    page = show("runs/toy/ours.html", 390, 844)
    best = page.locator("#scores thead th", has_text="best run").first.bounding_box()
    assert best["x"] + best["width"] <= 390
    page = show("index.html", 390, 844)
    assert page.locator("#table-1_toy tbody th").first.bounding_box()["width"] > 120
    page = show("gallery_toy.html#001", 390, 844)
    caption = page.locator(".tile figcaption").last
    assert page.locator("#stage.narrow").count() == 1
    page.locator(".tile figcaption span").last.evaluate(
        "each => { each.textContent = 'SeAFusion, trained with SSVIF' }"
    )
    assert caption.bounding_box()["height"] > 36
    assert caption.evaluate("each => each.scrollHeight <= each.clientHeight + 1"), "both lines are seen"


@pytest.mark.parametrize("media", ["screen", "print"])
def test_figures_are_seen_whole(show, media):
    page = show("index.html")
    page.emulate_media(media=media)
    figures = page.locator(".figures img")
    assert figures.count() == 2
    for each in figures.all():
        each.scroll_into_view_if_needed()
        picture, link = each.bounding_box(), each.locator("xpath=..").bounding_box()
        assert picture["height"] <= min(link["height"] + 1, 1000), "nothing of it is cut off"
        assert each.evaluate("each => getComputedStyle(each).objectFit") == "contain"


def test_printed_heads_stand_beside_each_other(show):
    page = show("index.html")
    page.emulate_media(media="print")
    for row in page.locator("table.scores thead tr").all():
        boxes = [button.bounding_box() for button in row.locator("button").all()]
        for one, other in pairwise(boxes):
            assert one["x"] + one["width"] <= other["x"], "one head runs into the next"
    position = "each => getComputedStyle(each).position"
    assert paper_table(page).locator("tbody th").first.evaluate(position) == "static"


def test_a_printed_gallery_says_how_much_of_it_there_is(show):
    page = show("gallery_toy.html")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#printed").inner_text() == "4 pairs"
    page.evaluate("SSVIF.mostPrinted = 2; dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#printed").inner_text().startswith("The first 2 of these 4 pairs are printed")
    assert [each.is_visible() for each in page.locator(".pair").all()] == [True, True, False, False]
    page.emulate_media(media="screen")
    assert not page.locator("#printed").is_visible()


def test_print_leaves_the_controls_out(show):
    page = show("index.html", color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator(".table-tools").is_visible()
    assert not page.get_by_label("Metric").is_visible()
    assert paper_table(page).is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert min(ground) > 230


@pytest.mark.parametrize("name", ["index.html", "gallery_toy.html", "runs/toy/ours.html", "gallery_toy.html#001"])
def test_axe_finds_nothing_serious(show, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = show(name, color_scheme="light")
    if "#" in name:
        page.keyboard.press("s")
        page.keyboard.press("b")
    every = axe.Axe().run(page, options={"preload": False}).response  # it would ask for the style sheets again
    assert len(every["passes"]) > 10
    page.emulate_media(color_scheme="dark")
    contrast = axe.Axe().run(page, options={"preload": False, "runOnly": ["color-contrast"]}).response
    assert contrast["passes"]
    wrong = [each for each in every["violations"] + contrast["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in wrong] == []
