import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.data.boxes import TOLERANCE, draw_boxes, read_boxes
from ssvif.io.errors import UserError

CLASSES = ("people", "car")
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
        ("1 0.5 0.5 0.1 0.1 0.9", "is not a box"),
        ("car 0.5 0.5 0.1 0.1", "is not a box"),
        ("1 0.5 nan 0.1 0.1", "is not a box"),
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


def test_a_box_without_area_is_left_out_with_a_warning(tmp_path, caplog):
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0 0.1\n0 1.02 0.5 0.02 0.1\n0 0.5 0.5 0.1 0.1\n")
    boxes = read_boxes(path, CLASSES, 200, 100)
    assert boxes.tolist() == [[0, 0.5, 0.5, 0.1, 0.1]]
    assert [message.split(":")[0] for message in caplog.messages] == [f"{path}, line 1", f"{path}, line 2"]


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
