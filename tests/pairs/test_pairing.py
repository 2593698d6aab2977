import logging
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssvif.io.errors import UserError
from ssvif.pairs.match import match_sources
from ssvif.pairs.pairing import Pairing, keys_of, nearest, read_list


def times_of(*names):
    return keys_of("time", "visible", {name: Path(f"gone/{name}.png") for name in names})


def paired(visible, infrared, **how):
    found = match_sources({"visible": visible, "infrared": infrared}, Pairing(**how))
    return {name: (files["visible"].name, files["infrared"].name) for name, files in found.pairs.items()}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("20230518_142233", 0),
        ("IMG_20230518_142233_123_HDR", 0.123),
        ("PXL_20230518_142233123", 0.123),
        ("DJI_20230518142233_0002_T", 0),
        ("2023-05-18T14-22-33", 0),
        ("2023-05-18T14-22-33.5", 0.5),
        ("2023-05-18 14.22.34,25", 1.25),
        ("cam1_2023_05_18_14_22_35", 2),
        ("1684419753", 0),
        ("left_1684419753.123456", 0.123456),
        ("1684419754123", 1.123),
        ("1684419753123456", 0.123456),
        ("1684419753_123456789", 0.123456789),
        ("1684419753123456789", 0.123456789),
    ],
)
def test_a_time_in_a_name_is_read(name, seconds):
    assert times_of(name)[name] == pytest.approx(1684419753 + seconds, abs=1e-6)


@pytest.mark.parametrize(
    "name", ["20231318_142233", "2023051814", "000123", "12345678901", "20230518_142233-20230518_142234", "20230518"]
)
def test_what_is_no_clear_time_is_told(name):
    with pytest.raises(UserError, match="no time"):
        times_of(name)


def test_a_file_says_when_it_was_taken(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({36867: "2023:05:18 14:22:33", 37521: "25"})
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (8, 8)).save(tmp_path / "b.jpg")
    found = keys_of("time", "visible", {"a": tmp_path / "a.jpg", "b": tmp_path / "b.jpg"})
    assert found == {"a": pytest.approx(1684419753.25)}


def test_the_number_that_changes_is_taken():
    names = ["cam2_007_8bit", "cam2_010_8bit"]
    assert keys_of("number", "visible", dict.fromkeys(names)) == {"cam2_007_8bit": 7, "cam2_010_8bit": 10}
    assert keys_of("number", "visible", {"frame12.5": None}) == {"frame12.5": 12.5}
    for unclear in (["1_2", "2_3"], ["a", "b"], ["1", "2_2"], ["1_2"]):
        with pytest.raises(UserError, match=r"which number to pair by(.|\n)*whose only \* is the number"):
            keys_of("number", "visible", dict.fromkeys(unclear))


def closest_first(visible, infrared, most):
    """Plain loops: of all that is left, take the two closest."""
    pairs = {}
    while True:
        left = [
            (abs(key - other_key), min(key, other_key), name, other)
            for name, key in visible.items()
            for other, other_key in infrared.items()
            if name not in pairs and other not in pairs.values()
        ]
        if not left or min(left)[0] > most:
            return pairs
        _, _, name, other = min(left)
        pairs[name] = other


keys = st.sets(st.integers(0, 60), max_size=9)


@given(keys, keys, st.integers(0, 20))
def test_the_nearest_are_paired_each_once(visible, infrared, most):
    visible, infrared = {f"v{key}": 2 * key for key in visible}, {f"i{key}": 2 * key + 1 for key in infrared}
    found = nearest(visible, infrared, most)
    distances = {name: distance for name, (_, distance) in found.items()}
    assert distances == {name: abs(visible[name] - infrared[other]) for name, (other, _) in found.items()}
    assert len({other for other, _ in found.values()}) == len(found)
    expected = closest_first(visible, infrared, most)
    assert sorted(distances.values()) == sorted(abs(visible[v] - infrared[i]) for v, i in expected.items())


def test_images_are_paired_by_the_nearest_number_and_the_rest_is_told(make, caplog):
    make("vi/f007.png", "vi/f010.png", "vi/f020.png", "ir/t_8.png", "ir/t_11.png", "ir/t_90.png")
    with caplog.at_level(logging.INFO):
        found = paired("vi", "ir", by="number", tolerance=1)
    assert found == {"f007": ("f007.png", "t_8.png"), "f010": ("f010.png", "t_11.png")}
    assert (
        "2 image pairs paired by number, infrared minus visible: 1 to 1; left over: 1 visible (f020); "
        "1 infrared (t_90)" in caplog.text
    )
    with pytest.raises(UserError, match=r"within the tolerance of 0(.|\n)*nearest numbers are 1 apart"):
        paired("vi", "ir", by="number")


def test_of_two_that_are_equally_near_the_side_that_pairs_more_is_taken_or_none(make):
    make(*(f"vi/f{i}.png" for i in (1, 3, 5, 7)), *(f"ir/t{i}.png" for i in (2, 4, 6, 8)))
    ahead = {f"f{i}": (f"f{i}.png", f"t{i + 1}.png") for i in (1, 3, 5, 7)}
    assert paired("vi", "ir", by="number", tolerance=1) == ahead
    Path("vi/f1.png").unlink()
    with pytest.raises(UserError, match=r"(?s)3 visible.*f3: t2 and t4.*--offset 1 for t2 or --offset -1 for t4"):
        paired("vi", "ir", by="number", tolerance=1)
    del ahead["f1"]
    assert paired("vi", "ir", by="number", offset=-1) == ahead


def test_counters_that_differ_throughout_are_paired_by_an_offset_and_never_crosswise(make):
    make(*(f"vi/f{i:03d}.png" for i in range(1, 6)), *(f"ir/t{i:03d}.png" for i in range(101, 106)))
    for tolerance, says in ((0, "nearest numbers are 96 apart"), (99, "pair images crosswise")):
        with pytest.raises(UserError, match=rf"{says}(.|\n)*pass --offset -100$"):
            paired("vi", "ir", by="number", tolerance=tolerance)
    found = paired("vi", "ir", by="number", offset=-100)
    assert found == {f"f{i:03d}": (f"f{i:03d}.png", f"t{100 + i}.png") for i in range(1, 6)}
    with pytest.raises(UserError, match="paired by number or time"):
        paired("vi", "ir", offset=1)
    with pytest.raises(UserError, match="--offset nan is no time"):
        paired("vi", "ir", by="number", offset=math.nan)


def test_images_are_paired_by_the_nearest_time(make, caplog):
    make("dji/DJI_20240501101213_0002_W.JPG", "dji/DJI_20240501101216_0003_W.JPG")
    make("dji/DJI_20240501101214_0002_T.JPG", "dji/DJI_20240501101216_0003_T.JPG")
    with caplog.at_level(logging.INFO):
        found = paired("dji/DJI_*_W.JPG", "dji/DJI_*_T.JPG", by="time")
    assert [infrared[-10:] for _, infrared in found.values()] == ["0002_T.JPG", "0003_T.JPG"]
    assert "infrared minus visible: 0 to 1 s; left over: none" in caplog.text
    make("dji/DJI_20240501101216_0004_T.JPG")
    assert len(paired("dji/DJI_*_W.JPG", "dji/DJI_*_T.JPG", by="time")) == 1
    assert "share their time are left out: 20240501101216_0003, 20240501101216_0004" in caplog.text


def test_a_list_pairs_what_it_names(make):
    make("rgb/a.png", "rgb/b.png", "ir/x.tiff", "ir/y.tiff")
    Path("pairs.csv").write_text(
        "\ufeffvisible,infrared\nrgb/b.png,ir/x.tiff\nrgb/a.png, ir/y.tiff\n", encoding="utf-8"
    )
    found = match_sources({}, Pairing(listed=Path("pairs.csv")))
    assert found.pairs["b"] == {"visible": Path("rgb/b.png"), "infrared": Path("ir/x.tiff")}
    assert list(found.pairs) == ["a", "b"]
    make("fused/b.png")
    assert list(match_sources({"fused": "fused"}, Pairing(listed=Path("pairs.csv"))).pairs) == ["b"]
    Path("pairs.csv").write_text("Visible,Infrared,Name\nrgb/a.png,ir/x.tiff,one\n")
    assert list(read_list(Path("pairs.csv"))) == ["one"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_list_is_read_as_spreadsheets_write_it(make, encoding, between):
    make("a,1.png", "b.png")
    text = f'visible{between}infrared{between}\r\n"a,1.png"{between}b.png{between}\r\n{between}{between}\r\n'
    Path("pairs.csv").write_bytes(text.encode(encoding))
    assert list(read_list(Path("pairs.csv"))) == ["a,1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rgb,thermal\na.png,b.png\n", "not a list of pairs"),
        ("visible,infrared\n", "lists no pair"),
        ("visible,infrared\na.png,gone.png\n", r"line 2: .*gone.png does not exist"),
        ("rgb,thermal\na.png,b.png,c.png\n", "not a list of pairs"),
        ("visible,infrared\n,\n", "lists no pair"),
        ("visible,infrared\n\na.png,gone.png\n", "line 3: .*gone.png does not exist"),
        ("visible,infrared\na.png,b.png\nb.png,b.png\n", r"line 3: .*b.png is in line 2 already"),
        ("visible,infrared,name\na.png,b.png,x\nb.png,a.png,x\n", "line 3: the name 'x' is taken"),
        ("visible,infrared,name\na.png,b.png,../x\n", "no plain name"),
        ("visible,infrared,name\na.png,b.png,x\0y\n", "no plain name"),
        (f"visible,infrared,name\na.png,b.png,{'x' * 300}\n", "is longer than 240 bytes"),
        (f"visible,infrared{',' * 20_000}\na.png,b.png\n", "has 20002 columns"),
    ],
)
def test_a_wrong_list_is_told(make, text, says):
    make("a.png", "b.png")
    Path("pairs.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_list(Path("pairs.csv"))


@pytest.mark.parametrize(
    ("visible", "infrared"), [("vi", "./vi"), ("vi", "link"), ("vi/*.png", "vi/*.p*"), ("vi", "hard")]
)
def test_one_file_for_both_sides_is_refused(make, visible, infrared):
    make("vi/a.png", "hard/b.png", "vi/b.png")
    Path("link").symlink_to("vi")
    os.link("vi/a.png", "hard/a.png")
    with pytest.raises(UserError, match=r"given for both sides(.|\n)*--both-in-one"):
        paired(visible, infrared)
