"""How the report looks in a real browser: light and dark, on a phone, on paper, and to a screen reader."""

from itertools import pairwise

import pytest

from report.browsing import ink, paper_table


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
