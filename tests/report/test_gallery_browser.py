"""The report's gallery in a real browser, from disk: by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest

from report.browsing import names, open_pair, over, zooms
from report.made_results import PAIRS


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
    page.locator("#pairs .thumb").first.wait_for(state="visible")  # pairs are laid out a moment later


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
