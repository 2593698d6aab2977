import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_cameras import shifted

from ssvif.inspecting.blocks import (
    GENERATORS,
    Blocks,
    basis,
    compare_blocks,
    fit_motion,
    motion_matrix,
    read_shifts,
    sum_blocks,
)
from ssvif.inspecting.edges import describe
from ssvif.pairs.alignment import map_points

GRID = np.array([[x, y] for y in np.linspace(-0.7, 0.7, 5) for x in np.linspace(-0.9, 0.9, 6)])
SURE, HEIGHTS = np.tile(np.eye(2), (len(GRID), 1, 1)), np.ones(len(GRID))
MODELS = st.sampled_from(sorted(GENERATORS))


def parameters(model, seed, size=0.03):
    return np.random.default_rng(seed).uniform(-size, size, len(GENERATORS[model]))


@settings(max_examples=40)
@given(MODELS, st.integers(0, 10**6))
def test_what_moved_the_blocks_is_found(model, seed):
    true = parameters(model, seed)
    found, rest = fit_motion(model, Blocks(GRID, basis(model, GRID) @ true, SURE, HEIGHTS), 0.01)
    np.testing.assert_allclose(found, true, atol=1e-6)
    assert rest.max() < 1e-6


@settings(max_examples=40)
@given(MODELS, st.integers(0, 10**6))
def test_a_quarter_of_wrong_blocks_does_little(model, seed):
    true = parameters(model, seed)
    shifts = basis(model, GRID) @ true
    random = np.random.default_rng(seed)
    wrong = random.permutation(len(GRID))[: len(GRID) // 4]
    shifts[wrong] += random.choice([-1, 1], (len(wrong), 2)) * random.uniform(0.1, 0.2, (len(wrong), 2))
    found, rest = fit_motion(model, Blocks(GRID, shifts, SURE, HEIGHTS), 0.01)
    assert np.abs(basis(model, GRID) @ (found - true)).max() < 0.02
    assert set(np.argsort(rest)[-len(wrong) :]) == set(wrong)


def test_an_edge_says_nothing_about_the_shift_along_it():
    """Half the blocks see upright edges only and are right across, the others lying ones and are right along."""
    shifts = np.zeros_like(GRID)
    weights = np.zeros_like(SURE)
    weights[::2, 0, 0] = weights[1::2, 1, 1] = 1
    shifts[::2, 0], shifts[1::2, 1] = 0.02, -0.01
    found, _ = fit_motion("translation", Blocks(GRID, shifts, weights, HEIGHTS), 1.0)
    np.testing.assert_allclose(found, [0.02, -0.01], atol=1e-6)


@pytest.mark.parametrize("model", sorted(GENERATORS))
def test_the_transform_is_the_motion_to_first_order(model):
    for place in range(len(GENERATORS[model])):
        step = np.zeros(len(GENERATORS[model]))
        step[place] = 1e-6
        moved = map_points(motion_matrix(model, step), GRID) - GRID
        np.testing.assert_allclose(moved / 1e-6, basis(model, GRID)[..., place], atol=1e-5)


def test_a_similarity_keeps_shapes():
    matrix = motion_matrix("similarity", np.array([0.1, 0.2, 0.3, 0.4]))[:2, :2]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2) * np.linalg.det(matrix), atol=1e-12)


def test_every_block_tells_its_own_shift(scenes):
    fixed, moving = shifted(scenes[0][3], 2, -3)
    surfaces = compare_blocks(describe(fixed), describe(moving), (3, 4), 5)
    assert surfaces.shape == (3, 11, 11, 3, 4)
    blocks = read_shifts([surfaces], fixed.shape)
    half = (max(fixed.shape) - 1) / 2
    assert len(blocks.points) >= 8
    np.testing.assert_allclose(np.median(blocks.shifts * half, axis=0), [2, -3], atol=0.1)
    assert np.median(blocks.heights) > 0.8


def test_a_block_of_nothing_says_nothing():
    empty = np.zeros((6, 40, 50), np.float32)
    assert len(read_shifts([compare_blocks(empty, empty, (2, 2), 3)], (40, 50)).points) == 0


def test_blocks_leave_no_gap():
    values = np.random.default_rng(0).random((37, 53)).astype(np.float32)
    summed = sum_blocks(values, (5, 6))
    assert summed.shape == (5, 6)
    assert summed.sum() == pytest.approx(values.sum(), rel=1e-5)
