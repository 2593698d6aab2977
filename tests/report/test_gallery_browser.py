"""The report's gallery in a real browser, from disk: by mouse and by keyboard."""

import re

import pytest

from report.browsing import names, open_pair, over, zooms
from report.made_results import PAIRS


@pytest.fixture
def page(show):
    """The gallery."""
    return show("gallery_toy.html")


@pytest.fixture
def pair(page):
    """The gallery with its first pair opened."""
    open_pair(page)
    return page


def test_the_gallery_filters_and_sorts_by_a_methods_score(page):
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


def test_only_chosen_methods_are_shown(page):
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


def test_an_empty_gallery_says_why(page):
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
    page.locator("#pairs .thumb").first.wait_for(state="visible")  # pairs are laid out a moment later


def test_the_controls_stand_in_one_line_of_a_common_window(show):
    page = show("gallery_toy.html", 1440)
    page.locator("#order").select_option(label="Ours <b>")
    assert page.locator("#tools").bounding_box()["height"] < 60


def test_by_keyboard_to_a_picture_into_it_through_the_pairs_and_back(page):
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
    page.wait_for_function(f"{focused} === '#004%20%234/infrared'")  # the browser closes first, then tells
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.locator("#filter").press("s")
    assert page.locator("#filter").input_value() == "s", "in a field a key is a letter"


def test_all_pictures_zoom_and_move_together(pair):
    assert len(zooms(pair)) == 4
    before = set(zooms(pair))
    box = pair.locator(".window").nth(1).bounding_box()
    pair.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    pair.mouse.wheel(0, -400)
    pair.wait_for_function("document.querySelector('#stage.zoomed')")
    wheeled = set(zooms(pair))
    assert len(wheeled) == 1
    assert wheeled != before
    pair.mouse.down()
    pair.mouse.move(box["x"] + box["width"] / 4 - 30, box["y"] + box["height"] / 4 - 20)
    pair.mouse.up()
    dragged = set(zooms(pair))
    assert len(dragged) == 1
    assert dragged != wheeled
    x, y = (float(number) for number in re.findall(r"-?[\d.]+", dragged.copy().pop())[-2:])
    old_x, old_y = (float(number) for number in re.findall(r"-?[\d.]+", wheeled.copy().pop())[-2:])
    assert (x - old_x, y - old_y) == pytest.approx((-30, -20), abs=0.5)
    pair.keyboard.press("Shift+ArrowRight")
    moved = set(zooms(pair))
    assert len(moved) == 1
    assert moved != dragged
    pair.keyboard.press("0")
    assert set(zooms(pair)) == before


def test_small_pictures_are_enlarged_pixel_by_pixel(pair):
    pair.keyboard.press("1")
    scale = pair.evaluate("SSVIF.pixelScale(SSVIF.pictures.toy.pairs[0])")
    assert scale == pytest.approx(round(scale), abs=1e-6)
    assert scale >= 2
    style = pair.locator(".window img").first.evaluate("each => getComputedStyle(each).imageRendering")
    assert style == "pixelated"


def test_two_pictures_are_compared_under_a_slider(pair):
    pair.keyboard.press("c")
    assert pair.locator(".compare .picture").count() == 2
    assert pair.locator(".compare .name").all_inner_texts() == ["Visible", "Ours <b>"]
    shown = "getComputedStyle(document.querySelector('.compare .over')).clipPath"
    assert pair.evaluate(shown) == "inset(0px 0px 0px 50%)"
    pair.locator("#divider").focus()
    pair.keyboard.press("ArrowLeft")
    assert pair.evaluate(shown) == "inset(0px 0px 0px 49.5%)"
    assert pair.locator("#viewer-title").inner_text().startswith("001"), "there the arrow is the slider's"
    box = pair.locator(".compare .window").bounding_box()
    handle = pair.locator(".handle").bounding_box()
    pair.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 50)
    pair.mouse.down()
    pair.mouse.move(box["x"] + box["width"] / 4, handle["y"] + 60, steps=3)
    pair.mouse.up()
    assert float(pair.locator("#divider").input_value()) == pytest.approx(25, abs=0.5)
    pair.locator("#left").select_option(label="Infrared")
    pair.locator("#stage").focus()
    pair.keyboard.press("x")
    assert pair.locator(".compare .name").all_inner_texts() == ["Ours <b>", "Infrared"]
    pair.keyboard.press("+")
    assert len(zooms(pair)) == 2
    assert len(set(zooms(pair))) == 1


def test_overlays_are_toggled_by_keys(page):
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


def test_names_say_what_is_labelled_what_was_not_found_and_what_is_missing(pair):
    assert pair.locator(".pair").nth(2).locator(".absent").text_content() == "no fused image"
    captions = pair.locator(".tile figcaption span")
    assert captions.all_inner_texts() == ["Visible", "Infrared", "average", "Ours <b>"]
    pair.keyboard.press("s")
    labelled = ["Visible · labelled", "Infrared · labelled"]
    assert captions.all_inner_texts() == [*labelled, "average", "Ours <b>"]
    pair.keyboard.press("b")
    assert captions.all_inner_texts() == [*labelled, "average · no detector ran", "Ours <b>"]
    pair.keyboard.press("ArrowRight")
    assert captions.all_inner_texts()[-1] == "Ours <b> · no boxes found"
    pair.keyboard.press("g")
    assert captions.all_inner_texts() == [*labelled, "average · labelled", "Ours <b> · labelled"]
    pair.keyboard.press("g")
    pair.keyboard.press("c")
    assert pair.locator(".compare .name").all_inner_texts() == [labelled[0], "Ours <b> · no boxes found"]
    pair.keyboard.press("Escape")
    assert pair.locator(".pair").nth(1).locator(".note").all_inner_texts()[0] == " · labelled"
