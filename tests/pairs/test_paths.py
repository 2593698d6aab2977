import unicodedata
from pathlib import Path

import pytest

from ssvif.io.errors import UserError
from ssvif.pairs.match import find_images, kind_of, match_sources
from ssvif.pairs.paths import any_case, spelled


def composed(text):
    return unicodedata.normalize("NFC", text)


def decomposed(text):
    return unicodedata.normalize("NFD", text)


def names_of(visible, infrared):
    return list(match_sources({"visible": visible, "infrared": infrared}).pairs)


@pytest.mark.parametrize(("one", "other"), [(composed, decomposed), (decomposed, composed)])
def test_a_name_is_the_same_composed_and_decomposed(make, one, other):
    make(one("é/été_vis.png"), other("café/été_ir.png"))
    assert spelled(other("é/été_vis.png")) == Path(one("é/été_vis.png"))
    assert names_of(other("é/*_vis.png"), one("café/*_ir.png")) == [composed("été")]
    assert names_of(other("é/é*_vis.png"), one("café/é*_ir.png")) == [composed("té")]
    assert names_of(other("é/été_vis.png"), one("café/été_ir.png")) == [composed("été_vis")]
    assert kind_of(other("é")) == "folder"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("cam[1]/*_vis.png", ["0", "1"]),
        ("*/cam[1]/*_vis.png", ["x_7"]),
        ("**/cam[1]/*_vis.png", ["0", "1", "x_7"]),
        ("what?/a[*.png", ["0"]),  # a bracket that is not closed
        ("what?/b[1]_*.png", ["2"]),  # brackets that fit nothing as wildcards
        ("what?/[z-a]*.png", ["3"]),  # and such as are no wildcards
        ("star*/{*}-[45].png", ["4"]),
    ],
)
def test_what_exists_is_taken_literally(make, pattern, found):
    make("cam[1]/0_vis.png", "cam[1]/1_vis.png", "cam1/2_vis.png", "x/cam[1]/7_vis.png", "x/cam1/8_vis.png")
    make("what?/a[0.png", "what?/b[1]_2.png", "what?/[z-a]3.png", "whats/a[9.png", "star*/a-4.png", "stars/a-5.png")
    assert sorted(find_images(pattern).files) == found


def test_names_of_files_may_hold_wildcards(make):
    names = ["a*b", "a?b", "[1]", "{x}"]
    make(*(f"vi/{name}.png" for name in names), *(f"ir/{name}.jpg" for name in names), "vi/axb.png", "ir/axb.jpg")
    assert names_of("vi", "ir") == sorted([*names, "axb"])
    assert names_of("vi/a*b.png", "ir/a*b.jpg") == ["a*b"]
    assert names_of("vi/[1].png", "ir/[1].jpg") == ["[1]"]


def test_a_part_in_braces_is_no_part_of_the_name(make):
    make("rgb/v-AA-frame-01-c1.jpg", "rgb/v-AA-frame-02-c2.jpg", "ir/v-BB-frame-01-d1.jpg", "ir/v-BB-frame-02-d2.jpg")
    assert names_of("rgb/v-{*}-frame-*-{*}.jpg", "ir/v-{*}-frame-*-{*}.jpg") == ["01", "02"]
    make("rgb/v-CC-frame-01-c1.jpg")
    found = match_sources({"visible": "rgb/v-{*}-frame-*-{*}.jpg", "infrared": "ir/v-{*}-frame-*-{*}.jpg"})
    assert list(found.pairs) == ["02"]
    assert "share the name 01" in str(found.faults[0])


def test_a_near_miss_in_case_is_named(make):
    make("Visible/A.png", "Visible/b.png", "ir/a.png", "ir/b.png")
    assert spelled("visible", any_case) == Path("Visible")
    with pytest.raises(UserError, match="Visible, which differs in case"):
        kind_of("visible")
    with pytest.raises(UserError, match=r"Visible/A.png, Visible/b.png, which differs in case"):
        find_images("visible/*.png")
    found = match_sources({"visible": "Visible", "infrared": "ir"})
    assert list(found.pairs) == ["b"]
    assert "A.png has no infrared image of the same name; a differs in case" in str(found.faults[0])
    Path("ir/b.png").unlink()
    with pytest.raises(UserError, match="A and a differ in case"):
        names_of("Visible", "ir")
