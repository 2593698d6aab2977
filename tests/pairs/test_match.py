import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusing.made import noise, save
from ssvif.io.errors import UserError
from ssvif.pairs.match import find_by_template, find_images, kind_of, kind_of_all, match_names, match_sources

PIXEL = noise(0, 1, 1)


@pytest.fixture
def cameras(tmp_path, monkeypatch):
    """One folder for both cameras, and a folder for each."""
    monkeypatch.chdir(tmp_path)
    for name in ("001", "002", "003"):
        save(tmp_path / f"cam/{name}_vis.png", PIXEL)
        save(tmp_path / f"cam/{name}_ir.tiff", PIXEL)
        save(tmp_path / f"vi/{name}.png", PIXEL)
        save(tmp_path / f"ir/{name}.jpg", PIXEL)
    return tmp_path


def match(visible, infrared, **more):
    return match_sources({"visible": str(visible), "infrared": str(infrared), **more})


def told(found):
    return [str(fault) for fault in found.faults]


def test_folders_match_by_name_without_suffix_and_the_rest_is_listed(cameras):
    (cameras / "ir/002.jpg").rename(cameras / "ir/2.jpg")
    found = match("vi", "ir")
    assert list(found.pairs) == ["001", "003"]
    assert found.pairs["001"] == {"visible": Path("vi/001.png"), "infrared": Path("ir/001.jpg")}
    assert told(found) == [
        "visible 002.png has no infrared image of the same name",
        "infrared 2.jpg has no visible image of the same name",
    ]
    assert [(fault.kind, fault.name, fault.missing) for fault in found.faults] == [
        ("no_partner", "002", ("infrared",)),
        ("no_partner", "2", ("visible",)),
    ]
    assert found.notes() == []


def test_a_name_of_two_images_and_one_that_is_not_utf8_leave_the_others_in_peace(cameras):
    save(cameras / "vi/001.jpg", PIXEL)
    (cameras / "ir" / b"\xff.png".decode("utf-8", "surrogateescape")).touch()
    found = match("vi", "ir")
    assert list(found.pairs) == ["002", "003"]
    assert told(found) == ["ir/\\udcff.png has a name that is not UTF-8", "vi/001.jpg, vi/001.png share the name 001"]
    assert all("rename" in fault.error().remedy for fault in found.faults)
    error = found.refusal(found.faults)
    assert (error.what, error.got) == tuple(told(found))
    assert str(error).encode("utf-8")


def test_a_third_side_is_matched_and_an_optional_one_may_be_missing(cameras):
    save(cameras / "fused/001.png", PIXEL)
    save(cameras / "fused/9.png", PIXEL)
    found = match("vi", "ir", fused="fused")
    assert [*found.pairs] == ["001"]
    assert [*found.pairs["001"]] == ["visible", "infrared", "fused"]
    assert told(found)[1:] == [
        "visible 003.png has no fused image of the same name",
        "fused 9.png has no visible or infrared image of the same name",
    ]
    sides = {"visible": find_images("vi"), "infrared": find_images("ir"), "label": find_images("fused")}
    found = match_names(sides, optional=("label",))
    assert [len(files) for files in found.pairs.values()] == [3, 2, 2]
    assert told(found) == ["label 9.png has no visible or infrared image of the same name"]


def test_a_refusal_names_the_folder_and_counts(cameras):
    for name in "abcdefg":
        save(cameras / f"vi/{name}.png", PIXEL)
    found = match("vi", "ir")
    assert str(found.refusal(found.faults)).splitlines() == [
        "7 visible images have no infrared image of the same name: a, b, c, d, e and 2 more",
        "  expected: infrared images of the same names in ir",
        "  remedy:   add the missing images, or remove the others",
    ]


def test_what_is_ignored_is_told(cameras):
    for name in ("a.gif", "b.webp", "c.GIF", "notes", ".hidden", ".hidden.png"):
        (cameras / "vi" / name).touch()
    save(cameras / "vi/night/001.png", PIXEL)
    found = match("vi", "ir/*.jpg")
    assert list(found.pairs) == ["001", "002", "003"]
    (note,) = found.notes()
    assert note.startswith("vi: ignored 2 .gif files, 1 .webp file, 1 file, 1 folder; only .png")
    assert note.endswith("for images in subfolders pass 'vi/**/*.png'")


def test_folders_and_pipes_are_no_images_whatever_their_names_but_a_lost_link_is(cameras):
    (cameras / "vi/9.png").mkdir()
    os.mkfifo(cameras / "vi/10.png")
    (cameras / "vi/link.png").symlink_to("001.png")
    (cameras / "vi/lost.png").symlink_to("gone.png")  # as a cleared cache leaves: to be told, not passed over
    assert list(find_images("vi").files) == ["001", "002", "003", "link", "lost"]


@pytest.mark.parametrize(
    ("visible", "infrared", "names"),
    [
        ("cam/*_vis.png", "cam/*_ir.tiff", ["001", "002", "003"]),
        ("cam/00?_vis.*", "cam/00?_ir.*", ["1", "2", "3"]),
        ("cam/00[13]_vis.png", "cam/00[!2]_ir.*", ["1", "3"]),
        ("vi", "cam/*_ir.*", ["001", "002", "003"]),
        ("vi/*", "ir/*.jpg", ["001", "002", "003"]),
        ("**/*_vis.png", "**/*_ir.tiff", ["cam_001", "cam_002", "cam_003"]),
        ("flir/FLIR*.png", "flir_ir", ["FLIR_1"]),  # beside a folder, by whole names
        ("flir", "flir_ir/FLIR*.png", ["FLIR_1"]),
        ("vi/001.png", "cam/002_ir.tiff", ["001"]),  # two files, whatever their names
    ],
)
def test_in_patterns_the_wildcards_are_the_name(cameras, visible, infrared, names):
    for folder in ("flir", "flir_ir"):
        save(cameras / folder / "FLIR_1.png", PIXEL)
    assert list(match(visible, infrared).pairs) == names
    assert list(match(cameras / visible, cameras / infrared).pairs) == names


def test_in_a_template_the_braces_are_the_name(cameras):
    (cameras / "cam/_vis.png").touch()  # nothing stands for {name}
    assert list(find_by_template(cameras, "cam/{name}_vis").files) == ["001", "002", "003"]
    assert find_by_template(cameras, "gone/{name}").files == {}


def test_a_pipe_is_no_source(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png is a pipe or a device"):
        kind_of(tmp_path / "a.png")


def test_files_that_a_pattern_fits_do_not_differ_from_it_in_case(tmp_path):
    (tmp_path / "a.npy").touch()
    (tmp_path / "A.PNG").touch()
    with pytest.raises(UserError, match=r"1 \.npy file") as caught:
        find_images(tmp_path / "*.npy")
    assert "case" not in str(caught.value)
    with pytest.raises(UserError, match=r"A\.PNG, which differs in case"):
        find_images(tmp_path / "a*.png")


def test_kinds_of_sources(cameras):
    """A file with a bracket in its name is a file; videos are known by their suffix."""
    save(cameras / "vi/[1].png", PIXEL)
    assert kind_of("vi/[1].png") == "image"
    assert kind_of("vi/[12].png") == "pattern"
    for name in ("a.mp4", "b.MKV"):
        (cameras / name).touch()
    assert kind_of_all({"visible": "a.mp4", "infrared": "b.MKV"}) == "video"


@pytest.mark.parametrize(
    ("visible", "infrared", "says"),
    [
        ("gone", "ir", "gone does not exist"),
        ("vi", "ir/001.jpg", "different kinds"),
        ("vi/*.bmp", "ir/*", r"vi/\*.bmp matches no image"),
        ("vi", "cam", "The visible and infrared images have no name in common"),
        ("b", "ir", "b holds no image"),
        ("**/0*.png", "ir/*.jpg", r"share the name"),
    ],
)
def test_what_cannot_be_matched_is_told(cameras, visible, infrared, says):
    save(cameras / "vi/b/001.png", PIXEL)
    save(cameras / "vi/b_001.png", PIXEL)
    save(cameras / "vi/b/001x.png", PIXEL)
    (cameras / "b").mkdir()
    if "share" in says:
        save(cameras / "vi/b/0.png", PIXEL)
        save(cameras / "vi_b/0.png", PIXEL)
    with pytest.raises(UserError, match=says):
        match(visible, infrared)


@given(st.text("ab*?", min_size=1, max_size=8).filter(lambda pattern: {*"*?"} & {*pattern}))
def test_a_pattern_finds_what_it_fits_and_names_it_by_its_wildcards(tmp_path_factory, pattern):
    folder = tmp_path_factory.mktemp("cam")
    stems = {"a", "ab", "aab", "bba", pattern.replace("*", "ba").replace("?", "a")}
    for stem in stems:
        (folder / f"{stem}.png").touch()
    found = find_images(folder / f"{pattern}.png").files
    named = [(name, path.stem) for name, paths in found.items() for path in paths]
    assert {stem for _, stem in named} == {stem for stem in stems if fnmatchcase(stem, pattern)}
    literals = len(pattern) - sum(map(pattern.count, "*?"))
    assert all(len(name.replace("_", "")) == (len(stem) - literals or len(stem)) for name, stem in named)
