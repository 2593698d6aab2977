import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssvif.report.figures.insets import (
    ENLARGED,
    LEAST_PX,
    MARGIN,
    SHARE,
    Window,
    choose_windows,
    disagreement,
    place_enlargements,
)

SIZES = st.integers(LEAST_PX, 60)


def random_map(seed, height, width):
    return np.random.default_rng(seed).random((height, width))


def total(difference, window):
    return difference[window.top : window.bottom, window.left : window.right].sum()


def all_windows(height, width):
    rows, columns = max(1, round(height * SHARE)), max(1, round(width * SHARE))
    above, beside = round(height * MARGIN), round(width * MARGIN)
    return [
        Window(left, top, left + columns, top + rows)
        for top in range(above, height - rows - above + 1)
        for left in range(beside, width - columns - beside + 1)
    ]


@given(st.integers(0, 99), SIZES, SIZES)
def test_without_objects_the_most_different_places_are_taken(seed, height, width):
    difference = random_map(seed, height, width)
    first, second = choose_windows(difference)
    best = max(all_windows(height, width), key=lambda window: total(difference, window))
    assert total(difference, first) == pytest.approx(total(difference, best))
    apart = [window for window in all_windows(height, width) if not window.overlaps(first)]
    assert second in apart
    assert total(difference, second) == pytest.approx(max(total(difference, window) for window in apart))


@given(st.integers(0, 99), SIZES, SIZES, st.data())
def test_the_first_place_is_centered_on_the_object_that_differs_most(seed, height, width, data):
    difference = random_map(seed, height, width)
    point = st.tuples(st.floats(0, width - 1), st.floats(0, height - 1))
    objects = data.draw(st.lists(point, min_size=1, max_size=4))
    first, second = choose_windows(difference, objects)
    possible = all_windows(height, width)
    assert {first, second} <= set(possible)
    assert not first.overlaps(second)
    distances = {
        window: [
            max(abs((window.left + window.right) / 2 - x), abs((window.top + window.bottom) / 2 - y))
            for x, y in objects
        ]
        for window in possible
    }
    # of one of the objects no window's center is nearer, but for the rounding to pixels
    nearest = [min(far[place] for far in distances.values()) for place in range(len(objects))]
    near = [place for place in range(len(objects)) if distances[first][place] <= nearest[place] + 1]
    assert near
    for place in range(len(objects)):
        rival = choose_windows(difference, [objects[place]])[0]
        assert total(difference, first) >= total(difference, rival) - 1e-5


@given(SIZES, SIZES, st.data())
def test_enlargements_lie_in_the_picture_and_hide_no_place_and_not_each_other(height, width, data):
    possible = all_windows(height, width)
    first = data.draw(st.sampled_from(possible))
    second = data.draw(st.sampled_from([window for window in possible if not window.overlaps(first)]))
    windows = [first, second]
    tall, wide = ENLARGED * height, ENLARGED * width
    corners = place_enlargements(windows, height, width)
    assert len(set(corners)) == len(windows) == 2
    for left, top, *_ in corners:
        assert left in (0, width - wide)
        assert top in (0, height - tall)
        for window in windows:
            beside = window.right <= left or left + wide <= window.left
            assert beside or window.bottom <= top or top + tall <= window.top


def test_equal_places_give_the_first_one_and_small_pictures_none():
    flat = np.ones((40, 50))
    assert choose_windows(flat)[0] == Window(1, 1, 9, 8)
    assert choose_windows(flat) == choose_windows(flat)
    assert choose_windows(np.ones((LEAST_PX - 1, 50))) == []
    assert place_enlargements([], 40, 50) == []


def test_disagreement_sees_details_and_no_brightness():
    picture = np.full((40, 50), 100, np.uint8)
    assert disagreement([picture, picture + 40]).max() == 0
    assert disagreement([picture]).max() == 0
    dotted = picture.copy()
    dotted[20, 30] = 200
    found = disagreement([picture, np.stack([dotted] * 3, axis=2)])
    assert np.unravel_index(found.argmax(), found.shape) == (20, 30)
    assert found[20, 30] == pytest.approx(100 / 2 * (1 - 1 / 9))  # half the range, less the mean of 3 by 3 pixels


def test_disagreement_is_the_standard_deviation_of_the_details():
    generator = np.random.default_rng(1)
    pictures = generator.integers(0, 256, (4, 30, 20, 3), dtype=np.uint8)
    edge = np.pad(pictures.astype(float), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    around = sum(edge[:, y : y + 30, x : x + 20] for y in range(3) for x in range(3)) / 9
    np.testing.assert_allclose(disagreement(pictures), np.std(pictures - around, axis=0).mean(axis=2), atol=1e-6)
