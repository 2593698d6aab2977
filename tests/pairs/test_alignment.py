import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.io.errors import UserError
from ssvif.pairs.alignment import (
    FADE_PX,
    Alignment,
    corners_of,
    coverage,
    map_points,
    read_alignment,
    resizing,
    warp,
    write_alignment,
)

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PLAIN = Alignment(IDENTITY, "affine", (20, 12), (20, 12))


def alignment_of(matrix, visible=(40, 30), infrared=(40, 30), model="affine"):
    return Alignment(tuple(map(tuple, np.asarray(matrix, float))), model, visible, infrared)


def noise(shape, dtype):
    random = np.random.default_rng(0)
    return (random.random(shape) * 60_000 if dtype != np.uint8 else random.random(shape) * 255).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_where_nothing_moves_nothing_changes(dtype, channels):
    image = noise((12, 20, *channels), dtype)
    image.setflags(write=False)
    warped = warp(image, PLAIN)
    assert (warped.dtype, warped.shape) == (image.dtype, image.shape)
    np.testing.assert_allclose(warped, image, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_whole_shift_moves_whole_pixels_and_repeats_the_border(dtype):
    image = noise((12, 20), dtype)
    warped = warp(image, replace(PLAIN, matrix=((1, 0, 3), (0, 1, -2), (0, 0, 1))))
    np.testing.assert_array_equal(warped[2:, :-3], image[:-2, 3:])
    np.testing.assert_array_equal(warped[:2, :-3], image[:1, 3:].repeat(2, axis=0))


def test_what_is_not_seen_is_known_and_an_image_of_another_size_is_told():
    shifted = replace(PLAIN, matrix=((1, 0, 5), (0, 1, 0), (0, 0, 1)))
    weights = np.broadcast_to(np.r_[np.ones(15), 1 - np.arange(0.5, 5) / FADE_PX], (12, 20))
    np.testing.assert_allclose(coverage(shifted), weights, rtol=1e-6)
    far = replace(PLAIN, matrix=((1, 0, 50), (0, 1, 0), (0, 0, 1)))
    assert (coverage(far) == 0).all()
    with pytest.raises(UserError, match=r"(?s)b\.png does not fit.*20×12 px.*40×24 px"):
        warp(np.zeros((24, 40)), PLAIN, name="b.png")


@st.composite
def transforms(draw, perspective=0.0):
    """A moderate affine or projective transform of a 40×30 image about its middle."""
    number = st.floats(-1, 1)
    matrix = np.eye(3)
    matrix[:2, :2] += 0.08 * np.array([[draw(number), draw(number)], [draw(number), draw(number)]])
    matrix[:2, 2] = [3 * draw(number), 3 * draw(number)]
    matrix[2, :2] = perspective * np.array([draw(number), draw(number)])
    middle = np.eye(3)
    middle[:2, 2] = 19.5, 14.5
    return middle @ matrix @ np.linalg.inv(middle)


@settings(max_examples=30)
@given(transforms())
def test_a_ramp_is_read_off_where_the_matrix_points(matrix):
    """Bilinear interpolation of a plane is exact, so each pixel must hold the plane's value at its mapped place."""
    rows, columns = np.mgrid[:30, :40]
    alignment = alignment_of(matrix)
    warped = warp(7.0 * columns - 3.0 * rows, replace(alignment, infrared_size=(40, 30)))
    places = map_points(alignment.array, np.c_[columns.ravel(), rows.ravel()].astype(float))
    inside = ((places >= 0) & (places <= [39, 29])).all(axis=1).reshape(30, 40)
    expected = (7 * places[:, 0] - 3 * places[:, 1]).reshape(30, 40)
    # a transform that makes the image smaller smooths first, which leaves a plane alone but for its border
    inner = inside & (places >= 2).all(axis=1).reshape(30, 40) & (places <= [37, 27]).all(axis=1).reshape(30, 40)
    assert inner.sum() > 200
    np.testing.assert_allclose(warped[inner], expected[inner], atol=1e-3)


@settings(max_examples=50)
@given(transforms(perspective=5e-4))
def test_the_inverse_leads_back(matrix):
    points = np.random.default_rng(0).random((50, 2)) * [39, 29]
    np.testing.assert_allclose(map_points(np.linalg.inv(matrix), map_points(matrix, points)), points, atol=1e-8)


@settings(max_examples=15)
@given(transforms(perspective=5e-4))
def test_there_and_back_gives_the_same_smooth_image(matrix):
    rows, columns = np.mgrid[:30, :40]
    image = 100 + 50 * np.sin(columns / 6) * np.cos(rows / 7)
    there = warp(image, alignment_of(matrix, model="homography"))
    back = warp(there, alignment_of(np.linalg.inv(matrix), model="homography"))
    assert abs(back - image)[8:-8, 8:-8].max() < 4


def test_corners_go_round_and_the_resizing_lays_border_on_border():
    assert corners_of((3, 2)).tolist() == [[0, 0], [2, 0], [2, 1], [0, 1]]
    matrix = resizing((640, 480), (320, 256))
    borders = np.array([[-0.5, -0.5], [639.5, 479.5]])
    np.testing.assert_allclose(map_points(matrix, borders), [[-0.5, -0.5], [319.5, 255.5]])


def test_more_infrared_pixels_than_visible_ones_are_smoothed():
    fine = np.indices((60, 80)).sum(axis=0) % 2 * 255.0  # a chessboard of single pixels
    coarse = warp(fine, alignment_of(np.diag([4.0, 4.0, 1.0]), (20, 15), (80, 60)))
    assert coarse.shape == (15, 20)
    assert abs(coarse - 127.5)[1:-1, 1:-1].max() < 1


def test_a_file_comes_back_as_it_was(tmp_path):
    alignment = replace(PLAIN, matrix=((1.01, 0.02, math.pi), (0, 0.99, 1e-7), (0, 1e-9, 1)), made={"names": ["a"]})
    for name in ("one.json", "two.json"):
        write_alignment(tmp_path / name, alignment)
    assert read_alignment(tmp_path / "one.json") == alignment
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    # one written by hand needs little
    path = tmp_path / "mine.json"
    path.write_text(
        '{"format": "ssvif-alignment-1", "model": "translation", "matrix": [[1, 0, 4], [0, 1, 0], [0, 0, 1]],'
        ' "visible_size": [8, 6], "infrared_size": [8, 6]}'
    )
    assert read_alignment(path).array[0, 2] == 4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "ssvif-alignment-1"),
        ({"matrix": [[1, 0], [0, 1]]}, "matrix.0: Tuple should have at least 3 items"),
        ({"matrix": [[1, 0, "x"], [0, 1, 0], [0, 0, 1]]}, "'x'"),
        ({"matrix": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "mirrors it"),
        ({"matrix": [[1, 0, 0], [0, 1, 0], [-0.1, 0, 1]]}, "whole visible image"),
        ({"matrix": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "whole visible image"),
        ({"matrix": [[1, 0, math.nan], [0, 1, 0], [0, 0, 1]]}, "finite number"),
        ({"matrix": None}, "valid tuple, got None"),
        ({"matrix": [[1e5, 0, 0], [0, 1e5, 0], [0, 0, 1]]}, r"1e\+05 infrared pixels lie beside each other"),
        ({"__dataclass_self__": 1}, "__dataclass_self__: unknown key"),
        ({"model": "thin plate"}, "thin plate"),
        ({"visible_size": [0, 4]}, "visible_size"),
        ({"nosuch": 1}, "nosuch"),
        *(
            (text, "is not an alignment file")
            for text in ("", "no JSON", "[1, 2]", '{"format": "ssvif-alignment-1"}', "\x80")
        ),
    ],
)
def test_a_wrong_file_is_told(tmp_path, change, says):
    path = tmp_path / "wrong.json"
    with pytest.raises(UserError, match="does not exist"):
        read_alignment(path)
    write_alignment(path, PLAIN)
    text = change if isinstance(change, str) else json.dumps(json.loads(path.read_text()) | change)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=says) as caught:
        read_alignment(path)
    assert "wrong.json" in str(caught.value)
