import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.data.annotation import Notes
from ssvif.data.boxes import TOLERANCE, draw_boxes, read_boxes
from ssvif.data.descriptor import Descriptor, Layout
from ssvif.io.errors import UserError

CLASSES = Descriptor("toy", "Toy", "toy", (Layout("vi/{name}", "ir/{name}"),), detection_classes=("people", "car"))
NAMED = replace(CLASSES, detection_aliases={"people": ("person?", "7")}, detection_ignored=("*", "dont care", "9"))
VOC = """<annotation><size><width>{width}</width><height>100</height></size>
<object><name>Car</name><bndbox><xmin>20</xmin><ymin>30</ymin><xmax>60</xmax><ymax>50</ymax></bndbox></object>
<object><name>People</name><bndbox><xmin>-2</xmin><ymin>0</ymin><xmax>22</xmax><ymax>100</ymax></bndbox></object>
</annotation>"""


def test_yolo_text_is_read_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("")
    assert read_boxes(path, CLASSES, 200, 100).shape == (0, 5)  # an image without objects
    path.write_text("1  0.4 0.5  0.2 0.1  \n\n0 0.25 0.25 0.5 0.5")
    boxes = read_boxes(path, CLASSES, 200, 100)
    assert boxes.dtype == np.float64
    assert boxes.tolist() == [[1, 0.4, 0.5, 0.2, 0.1], [0, 0.25, 0.25, 0.5, 0.5]]


@pytest.mark.parametrize("width", [200, 0])
def test_voc_corners_become_fractions_of_the_annotated_size(tmp_path, width):
    path = tmp_path / "a.xml"
    path.write_text(VOC.format(width=width))
    boxes = read_boxes(path, CLASSES, 200, 100)
    np.testing.assert_allclose(boxes, [[1, 0.2, 0.4, 0.2, 0.2], [0, 0.055, 0.5, 0.11, 1]], atol=1e-12)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5 0.1", "is not a box"),
        ("1 0.5 nan 0.1 0.1", "is not a box"),
        ("1 0.5 0.5 0.1 inf", "is not a box"),
        ("1 0.5 0.5 0.1 wide", "is not a box"),
        ("car", "is not a box"),
        ("class,x_center,y_center,width,height", "is not a box"),
        ("0.5 0.5 0.1 0.1 car", "is not a box"),
        ("1 0.1 0.1 0.3 0.1 0.3 40", "outside its image"),
        ("cra 0.5 0.5 0.1 0.1", "class 'cra' is not one of"),
        ("1 1e308 0.5 1e308 0.1", "outside its image"),
        ("2 0.5 0.5 0.1 0.1", "class 2 is not one of"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5 is not one of"),
        ("-1 0.5 0.5 0.1 0.1", "class -1 is not one of"),
        ("1 320 240 20 20", "outside its image"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "a.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(UserError, match=message) as caught:
        read_boxes(path, CLASSES, 200, 100)
    assert f"{path}, line 2" in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", b"<annotation>", "not a VOC annotation"),
        ("a.xml", b"<a><size><width>wide</width></size></a>", "not a VOC annotation"),
        ("a.xml", b"<a><object><name>Dog</name></object></a>", "object 1: class 'Dog' is not one of"),
        ("a.xml", b"<a><object><name>car</name></object></a>", "object 1 has no box"),
        ("a.txt", b"\xff\xfe\x00", "is not text"),
        ("gone.txt", b"", "does not exist"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, message):
    (tmp_path / name.replace("gone", "other")).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_boxes(tmp_path / name, CLASSES, 200, 100)


def read(tmp_path, content, descriptor=CLASSES, name="a.txt", size=(200, 100)):
    """The boxes of a file of that content, and what was noted."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    notes = Notes()
    return read_boxes(path, descriptor, *size, notes), notes.details()


def test_what_is_left_out_turned_and_cut_is_counted_with_the_first_place(tmp_path):
    text = "0 0.5 0.5 0 0.1\n0 1.02 0.5 0.02 0.1\n0 0.5 0.5 0.1 0.1\n0 0.5 0.5 -0.1 0.1\n1 0.02 0.5 0.1 0.1"
    boxes, notes = read(tmp_path, text)
    np.testing.assert_allclose(boxes[:2], [[0, 0.5, 0.5, 0.1, 0.1]] * 2)
    np.testing.assert_allclose(boxes[2], [1, 0.035, 0.5, 0.07, 0.1])
    first = f"first {tmp_path}/a.txt, line"
    assert notes == {"no area": f"2, {first} 1", "turned": f"1, {first} 4", "clipped": f"1, {first} 5"}


BOX = [[1, 0.4, 0.5, 0.2, 0.1]]


@pytest.mark.parametrize(
    ("line", "noted"),
    [
        ("1,0.4,0.5,0.2,0.1", set()),
        ("1, 0.4, 0.5, 0.2, 0.1", set()),
        ("1;0.4;0.5;0.2;0.1;", set()),
        ("1\t0.4\t0.5\t0.2\t0.1", set()),
        ("1 0,4 0,5 0,2 0,1", set()),
        ("1;0,4;0,5;0,2;0,1;0,875", {"confidence"}),
        ("# made by hand\n\n1 0.4 0.5 0.2 0.1 # a car", set()),
        ("1 0.4 0.5 0.2 0.1 0.875", {"confidence"}),
        ("1 0.4 0.5 0.2 0.1 17", {"further number"}),
        ("Car 0.4 0.5 0.2 0.1", set()),
        ('"car",0.4,0.5,0.2,0.1', set()),
        ("1 0.3 0.45 0.5 0.45 0.5 0.55 0.3 0.55", {"polygon"}),
        ("1 0.3 0.45 0.5 0.5 0.4 0.55", {"polygon"}),
        ("1 0.4 0.45 0.5 0.5 0.4 0.55 0.3 0.5 0.875", {"polygon", "confidence"}),
        ("1.0 0.4 0.5 0.2 0.1", set()),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_yolo_lines_as_tools_write_them(tmp_path, line, noted, end):
    boxes, notes = read(tmp_path, line.replace("\n", end) + end)
    np.testing.assert_allclose(boxes, BOX, atol=1e-12)
    assert set(notes) == noted


def test_the_text_of_kaist_is_read_in_pixels(tmp_path):
    text = "% bbGt version=3\nperson? 60 45 40 10 0 0 0 0 0 0 0\ncar 60 45 40 10 1 0 0 0 0 0 0\n"
    boxes, notes = read(tmp_path, text, NAMED)
    np.testing.assert_allclose(boxes, [[0, *BOX[0][1:]], BOX[0]])
    assert not notes
    assert len(read(tmp_path, "% bbGt version=3\n")[0]) == 0
    with pytest.raises(UserError, match=r"line 2 is not a box(?s:.*)in pixels"):
        read(tmp_path, "% bbGt version=3\ncar 60 45 40\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_text_of_any_mark_is_read_and_nothing_is_lost(tmp_path, encoding):
    french = replace(CLASSES, detection_aliases={"people": ("piéton",)})
    boxes, notes = read(tmp_path, "# été\npiéton 0.4 0.5 0.2 0.1\n".encode(encoding), french)
    assert boxes.tolist() == [[0, 0.4, 0.5, 0.2, 0.1]]
    assert set(notes) == ({"latin-1"} if encoding == "latin-1" else set())


def test_a_byte_order_mark_may_be_there_twice(tmp_path):
    assert read(tmp_path, "\ufeff\ufeff1 0.4 0.5 0.2 0.1")[0].tolist() == BOX


@pytest.mark.parametrize("form", ["é", "e\u0301"])
def test_names_are_compared_in_one_form_of_unicode(tmp_path, form):
    french = replace(CLASSES, detection_aliases={"people": ("piéton",)})
    assert len(read(tmp_path, f"PI{form}TON 0.4 0.5 0.2 0.1", french)[0]) == 1


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("UTF-8", "latin-1"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"),
        ("utf-16", "utf-8"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1251", "cp1251"),
        ("gb2312", "gb2312"),
        ("euc-kr", "euc-kr"),
        ("Shift_JIS", "shift_jis"),
        ("nosuch", "utf-8"),
        ("idna", "utf-8"),
        ("hex", "utf-8"),
    ],
)
def test_xml_of_any_declared_encoding_is_read(tmp_path, declared, encoding):
    letter = {"latin-1": "é", "cp1251": "ж", "gb2312": "车", "euc-kr": "차", "shift_jis": "車"}.get(encoding, "車")
    name = f"<name>{letter}</name>"
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + VOC.format(width=200).replace("<name>Car</name>", name)
    named = replace(CLASSES, detection_aliases={"car": (letter,)})
    boxes, notes = read(tmp_path, text.encode(encoding), named, "a.xml")
    assert boxes[:, 0].tolist() == [1, 0]
    assert set(notes) == {"clipped"} | ({"latin-1"} if (declared, encoding) == ("UTF-8", "latin-1") else set())


@pytest.mark.parametrize("content", ["0 0.5 0.5 0.1 0.1".encode("utf-16-le"), b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_text_is_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"a\.txt is not text"):
        read(tmp_path, content)


def test_text_of_an_absurd_length_is_not_read(tmp_path):
    with (tmp_path / "a.txt").open("wb") as stream:
        stream.truncate(1 << 40)  # a hole, which takes no room
    with pytest.raises(UserError, match=r"a\.txt is not text(?s:.*)1099511627776 bytes"):
        read_boxes(tmp_path / "a.txt", CLASSES, 200, 100)


def voc(shape, name="car", size="<size><width>200</width><height>100</height></size>"):
    return f"\n<annotation>{size}<object><name>{name}</name>{shape}</object></annotation>"


def tags(**values):
    return "".join(f"<{key}>{value}</{key}>" for key, value in values.items())


@pytest.mark.parametrize(
    ("shape", "noted"),
    [
        (tags(bndbox=tags(xmin=60, ymin=45, xmax=100, ymax=55)), set()),
        (tags(bndbox=tags(ymax=55.0, ymin=45.0, xmax="1e2", xmin=" 60 ")), set()),
        (tags(bndbox=tags(xmin=100, ymin=45, xmax=60, ymax=55)), {"turned"}),
        (tags(bndbox=tags(xmin=60, ymin=55, xmax=100, ymax=45)), {"turned"}),
        (tags(bndbox=tags(Xmin=60, Ymin=45, Xmax=100, Ymax=55)), set()),
        ('<bndbox xmin="60" ymin="45" xmax="100" ymax="55"/>', set()),
        (tags(bndbox=tags(x=60, y=45, width=40, height=10)), set()),
        (tags(bndbox=tags(left=60, top=45, right=100, bottom=55)), set()),
        (tags(bndbox=tags(x1=60, y1=45, x2=100, y2=55)), set()),
        (tags(bndbox=tags(x1=60, y1=45, x2=100, y2=45, x3=100, y3=55, x4=60, y4=55)), {"polygon"}),
        (tags(polygon=tags(x1=80, y1=45, x2=100, y2=50, x3=80, y3=55, x4=60, y4=50)), {"polygon"}),
        (tags(polygon="".join(tags(pt=tags(x=x, y=y)) for x, y in [(60, 50), (80, 45), (100, 55)])), {"polygon"}),
        (tags(robndbox=tags(cx=80, cy=50, w=10, h=40, angle=math.pi / 2)), {"polygon"}),
        (tags(robndbox=tags(cx=80, cy=50, w=40, h=10, angle=0)), {"polygon"}),
        (tags(polygon=tags(x1=1, y1=1), bndbox=tags(xmin=60, ymin=45, xmax=100, ymax=55)), set()),
        (tags(part=tags(bndbox=tags(xmin=1)), bndbox=tags(xmin=60, ymin=45, xmax=100, ymax=55)), set()),
    ],
)
@pytest.mark.parametrize("size", ["", tags(size=tags(width=0, height=0)), tags(size=tags(width="nan", height=100))])
def test_voc_shapes_as_tools_write_them_and_without_a_size(tmp_path, shape, noted, size):
    boxes, notes = read(tmp_path, voc(shape, size=size), name="a.xml")
    np.testing.assert_allclose(boxes, BOX, atol=1e-12)
    assert set(notes) == noted


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "wide"])
def test_a_voc_number_that_is_none_is_refused_with_its_place(tmp_path, value):
    shape = tags(bndbox=tags(xmin=60, ymin=45, xmax=value, ymax=55))
    with pytest.raises(UserError, match=rf"a\.xml, object 1 has no box(?s:.*)xmax '{value}'"):
        read(tmp_path, voc(shape), name="a.xml")


def test_a_point_is_a_box_without_area(tmp_path):
    boxes, notes = read(tmp_path, voc(tags(point=tags(x=5, y=6))), name="a.xml")
    assert len(boxes) == 0
    assert "no area" in notes


def test_xml_that_holds_no_voc_objects_is_not_an_empty_annotation(tmp_path):
    with pytest.raises(UserError, match=r"not a VOC annotation(?s:.*)<annotations>"):
        read(tmp_path, "<annotations><image name='a'><box label='car'/></image></annotations>", name="a.xml")
    assert len(read(tmp_path, "<annotation><filename>a.png</filename></annotation>", name="a.xml")[0]) == 0


def test_xml_that_expands_without_end_is_refused(tmp_path):
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "many" * 100}">' for i in range(9))
    with pytest.raises(UserError, match="not a VOC annotation"):
        read(tmp_path, f"<!DOCTYPE a [{entities}]><a><object><name>&e8;</name></object></a>", name="a.xml")


def test_aliases_are_merged_and_ignored_names_left_out_and_counted(tmp_path):
    lines = ["person? .4 .5 .2 .1", "Dont  Care .4 .5 .2 .1", "* .4 .5 .2 .1", "7 .4 .5 .2 .1", "9 .4 .5 .2 .1 .9"]
    boxes, notes = read(tmp_path, "\n".join([*lines, "* 1 2"]), NAMED)
    assert boxes[:, 0].tolist() == [0, 0]
    assert set(notes) == {"ignored name"}
    assert notes["ignored name"].startswith("4 ('*' 2, ")
    ignored = tags(bndbox="") + "</object><object>" + tags(name="people", bndbox=tags(xmin=1, ymin=1, xmax=9, ymax=9))
    boxes, notes = read(tmp_path, voc(ignored, name="*"), NAMED, "a.xml")
    assert boxes[:, 0].tolist() == [0]
    assert notes["ignored name"] == f"1 ('*' 1), first {tmp_path}/a.xml, object 1"


def test_all_unknown_names_of_a_file_are_told_with_the_way_to_map_them(tmp_path):
    lines = ["car .4 .5 .2 .1", "peopel .4 .5 .2 .1", "8 .4 .5 .2 .1", "dog .4 .5 .2 .1", "dog .4 .5 .2 .1"]
    with pytest.raises(UserError) as caught:
        read(tmp_path, "\n".join(lines), NAMED)
    assert caught.value.what.endswith("line 2: class 'peopel' is not one of the descriptor's detection_classes")
    assert caught.value.got == "in this file also 8, 'dog'"
    assert "detection_aliases: {people: ['peopel']}" in caught.value.remedy
    assert "detection_ignored: ['peopel']" in caught.value.remedy


inside = st.floats(-TOLERANCE, 1 + TOLERANCE)


@given(inside, inside, inside, inside)
def test_a_clipped_box_is_the_part_inside_the_image(tmp_path_factory, left, top, right, bottom):
    (left, right), (top, bottom) = sorted((left, right)), sorted((top, bottom))
    shrink = 1 - 1e-9  # rounding must not push a corner over the tolerance
    row = [0, (left + right) / 2, (top + bottom) / 2, (right - left) * shrink, (bottom - top) * shrink]
    path = tmp_path_factory.getbasetemp() / "clipped.txt"
    path.write_text(" ".join(map(repr, row)))
    clipped = read_boxes(path, CLASSES, 200, 100)
    wanted = [min(max(value, 0), 1) for value in (left, top, right, bottom)]
    if not len(clipped):
        assert wanted[2] - wanted[0] < 1e-6 or wanted[3] - wanted[1] < 1e-6
    else:
        _, x_center, y_center, width, height = clipped[0]
        corners = [x_center - width / 2, y_center - height / 2, x_center + width / 2, y_center + height / 2]
        np.testing.assert_allclose(corners, wanted, atol=1e-6)


def test_boxes_become_a_label_by_pixel_centers_smaller_over_larger():
    boxes = np.array([[1, 0.5, 0.5, 0.2, 0.5], [0, 0.5, 0.5, 0.8, 1.0], [1, 0.98, 0.5, 0.02, 0.02]])
    label = draw_boxes(boxes, 4, 10)
    assert label.dtype == np.uint8
    people = [[0, 1, 1, 1, 1, 1, 1, 1, 1, 0]]
    car = [[0, 1, 1, 1, 2, 2, 1, 1, 1, 0]]
    assert label.tolist() == people + car + car + people
    assert not draw_boxes(np.zeros((0, 5)), 4, 10).any()


sides = st.floats(0.01, 0.4)
places = st.floats(0.3, 0.7)


@given(st.sampled_from([0, 1]), places, places, sides, sides, st.sampled_from(["box", "points", "turned", "bndbox"]))
def test_a_box_is_the_same_in_every_form(tmp_path_factory, index, x, y, width, height, form):
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    corners = {"xmin": left * 200, "ymin": top * 100, "xmax": right * 200, "ymax": bottom * 100}
    text = {
        "box": f"{index} {x} {y} {width} {height}",
        "points": f"{index} {left} {y} {x} {top} {right} {y} {x} {bottom}",
        "turned": f"{index} {x} {y} {-width} {-height}",
        "bndbox": voc(tags(bndbox=tags(**corners)), name=("people", "car")[index]),
    }[form]
    path = tmp_path_factory.getbasetemp() / ("same.xml" if form == "bndbox" else "same.txt")
    path.write_text(text)
    np.testing.assert_allclose(read_boxes(path, CLASSES, 200, 100), [[index, x, y, width, height]], atol=1e-9)


def test_xml_in_a_text_file_is_named_in_a_few_words(tmp_path):
    with pytest.raises(UserError, match=r"a\.txt is XML(?s:.*)\.xml"):
        read(tmp_path, "\n" + VOC.format(width=200))
    with pytest.raises(UserError) as caught:
        read(tmp_path, "\n".join("x" * 5000 + str(number) for number in range(9)))
    assert len(str(caught.value)) < 1000


def test_fractions_in_place_of_pixels_are_told(tmp_path):
    box = "<bndbox><xmin>0.2</xmin><ymin>0.3</ymin><xmax>0.6</xmax><ymax>0.5</ymax></bndbox>"
    other = f"<object><name>car</name>{box}</object></annotation>"
    _, notes = read(tmp_path, VOC.format(width=200).replace("</annotation>", other), name="a.xml")
    assert notes["under a pixel"] == f"1, first {tmp_path}/a.xml, object 3"


@pytest.mark.parametrize(
    ("line", "noted"),
    [
        ("1 0.4 0.5 0.2 0.1 0.91 7", {"track"}),
        ("1 0.4 0.5 0.2 0.1 0.91 -1", {"track"}),
        ("1 0.4 0.5 0.2 0.1 0.910000 7.000000", {"track"}),
        ("1 0.4 0.5 0.2 0.1 0.91 7\n1 0.4 0.5 0.2 0.1 0.8 1", {"track"}),  # one id tells what the others are
        ("1 0.4 0.5 0.2 0.1 0.91 1", {"two readings"}),
        ("1 0.3 0.45 0.5 0.45 0.5 0.55 0.3 0.55 0.9 7", {"track", "polygon"}),
        ("1 0.4 0.5 0.2 0.1 0.4 0.5 2", {"keypoints"}),
        ("1 0.4 0.5 0.2 0.1 0.4 0.5 2 0.9 0.9 1", {"keypoints"}),
        ("1 0.4 0.5 0.2 0.1 0.35 0.5 2.000000 0 0 0", {"keypoints"}),
        ("1 0.4 0.5 0.2 0.1" + " 0.35 0.5 1" * 3 + " 0 0 0", {"keypoints"}),
        ("1 0.4 0.5 0.2 0.1 0.3 0.3 1 0.25 0.5 0 0.9 0.9 1", {"two readings"}),
        ("1 0.4 0.5 0.2 0.1 0.35 0.5 0 0 0 0", {"keypoints"}),  # without visibility: no outline is twice at 0 0
    ],
)
def test_what_trackers_and_pose_networks_write_is_a_box(tmp_path, line, noted):
    boxes, notes = read(tmp_path, line)
    np.testing.assert_allclose(boxes, BOX * len(line.split("\n")), atol=1e-12)
    assert set(notes) == noted


@pytest.mark.parametrize(
    "points",
    [
        "0.2 0.3 0.4 0.3 0.3 1.0",
        "0 0 1 0 1 1",
        "0 0 1 0 1 1 0 1",
        "0.1 0.9 0.5 0.8 0.9 1",  # the first four are no box in the image
        "0.6 0.3 0.6 0.5 0.8 0.3 1 0.2 0.6 0",  # about a corner of the image
        "0.5 0.5 0.6 0.4 0.6 0.5 0.6 0.6",
        "0.3 0.4 0.2 0.3 0.9 1\n1 0.3 0.4 0.2 0.3 0.5 0.5 0.9 1",  # a longer outline in the same file
    ],
)
def test_usual_polygons_stay_polygons(tmp_path, points):
    boxes, notes = read(tmp_path, f"1 {points}")
    assert set(notes) == {"polygon"}
    xs, ys = ([float(each) for each in points.split("\n")[0].split()[start::2]] for start in (0, 1))
    wanted = [(min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)]
    np.testing.assert_allclose(boxes[0, 1:], wanted)


thousandths = st.integers(1, 999).map(lambda number: number / 1000)  # no box is flatter than what rounding leaves
vertices = st.lists(st.tuples(thousandths, thousandths), min_size=3, max_size=9)


@given(st.lists(vertices, min_size=1, max_size=3))
def test_no_outline_inside_the_image_is_taken_for_a_box(tmp_path_factory, outlines):
    path, notes = tmp_path_factory.getbasetemp() / "outlines.txt", Notes()
    path.write_text("\n".join(" ".join(map(str, [0, *np.ravel(points)])) for points in outlines))
    boxes = read_boxes(path, CLASSES, 200, 100, notes)
    assert notes.details()["polygon"].startswith(f"{len(outlines)}, ")
    kept = [points for points in outlines if (np.ptp(points, axis=0) > 0).all()]
    np.testing.assert_allclose(boxes[:, 3:], [np.ptp(points, axis=0) for points in kept] or np.zeros((0, 2)))


@pytest.mark.parametrize(
    ("size", "noted", "width"),
    [
        ((400, 200), {"resized"}, 0.1),
        ((403, 200), {"resized"}, 40 / 403),
        ((200, 200), {"other shape"}, 0.2),
        ((100, 200), {"other shape"}, 0.2),  # swapped
        ((200, 100), set(), 0.2),
    ],
)
def test_a_voc_size_of_another_shape_than_the_image_is_told(tmp_path, size, noted, width):
    shape = tags(bndbox=tags(xmin=20, ymin=10, xmax=60, ymax=50))
    boxes, notes = read(tmp_path, voc(shape, size=tags(size=tags(width=size[0], height=size[1]))), name="a.xml")
    assert boxes[0, 3] == pytest.approx(width)
    assert set(notes) == noted
    assert all(f"1 ('{size[0]}×{size[1]} for 200×100 px' 1), first {tmp_path}/a.xml" == each for each in notes.values())


def test_json_in_a_text_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.txt is JSON(?s:.*)export"):
        read(tmp_path, '\n{"shapes": []}')
