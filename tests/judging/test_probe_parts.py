"""The probe's parts against plain loops: cells, folds, classifier, scores."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_dataset import DESCRIPTOR

from reference import discriminant as reference
from ssvif.data.packed import PairsFile
from ssvif.judging.discriminant import ClassMoments, Discriminant
from ssvif.judging.fused_images import find_labeled
from ssvif.judging.options import ProbeOptions
from ssvif.judging.probe import average_precision, cell_scores
from ssvif.judging.probe_cells import CellLabels, cells_of_mask, choose_labels, deal_folds, plan_fits

CPU = torch.device("cpu")


def samples_of_classes(counts, size=5, seed=0):
    draw = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(counts)), counts)
    mixing = draw.normal(size=(size, size))
    return draw.normal(size=(len(label), size)) @ mixing + 2 * label[:, None] + 100, label


def fit(parts, num_classes, shrinkage=1e-2):
    whole = ClassMoments(num_classes, parts[0][0].shape[1], CPU)
    for features, label in parts:
        part = ClassMoments(num_classes, features.shape[1], CPU)
        part.add(torch.from_numpy(features), torch.from_numpy(label))
        whole.merge(part)
    return Discriminant(whole, shrinkage)


def test_the_discriminant_equals_its_definition():
    features, label = samples_of_classes((90, 9, 20))
    found = fit([(features, label)], 3)
    expected = reference.discriminant_logits(features, label, features[:7], 1e-2)
    np.testing.assert_allclose(
        found.logits(torch.from_numpy(features[:7])).log_softmax(dim=1).numpy(),
        torch.from_numpy(expected).log_softmax(dim=1).numpy(),
        rtol=1e-6,
    )
    np.testing.assert_allclose(found.log_priors.exp().numpy(), np.array([90, 9, 20]) / 119)


def test_a_frequent_class_weighs_no_more_than_a_rare_one():
    features, label = samples_of_classes((40, 10))
    often = np.concatenate([features, *[features[label == 0]] * 9]), np.concatenate([label, *[label[label == 0]] * 9])
    once, again = fit([(features, label)], 2), fit([often], 2)
    torch.testing.assert_close(once.weights, again.weights)
    torch.testing.assert_close(once.offsets, again.offsets)


def test_parts_and_ignored_samples_change_no_fit():
    features, label = samples_of_classes((30, 12))
    ignored = np.append(label, [255, 255]), np.concatenate([features, np.full((2, 5), 1e6)])
    parts = fit([(features[:17], label[:17]), (features[17:], label[17:])], 2)
    torch.testing.assert_close(parts.weights, fit([(ignored[1], ignored[0])], 2).weights)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30), st.randoms())
def test_average_precision_equals_its_definition_in_any_order(samples, random):
    scores, positive = zip(*samples, strict=True)
    found = average_precision(np.array(scores, float), np.array(positive))
    if not any(positive):
        assert np.isnan(found)
        return
    assert found == pytest.approx(reference.average_precision(scores, positive))
    shuffled = list(samples)
    random.shuffle(shuffled)
    scores, positive = zip(*shuffled, strict=True)
    assert average_precision(np.array(scores, float), np.array(positive)) == found


def test_scores_of_cells_are_balanced_and_leave_absent_classes_out():
    posterior = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1]])
    label = np.array([0, 0, 0, 1])
    found = {
        (metric, name): value
        for metric, name, value in cell_scores(np.log(posterior), posterior.argmax(1), label, ["no", "car", "bus"], 0)
    }
    assert found["log_loss", ""] == pytest.approx(reference.balanced_log_loss(posterior, label.tolist()))
    assert found["ap", "no"] == found["ap", "car"] == found["mean_ap", ""] == found["miou", ""] == 1
    assert found["ap", "bus"] is None
    assert found["iou", "bus"] is None
    with_errors = cell_scores(np.log(posterior), np.array([0, 0, 1, 1]), label, ["no", "car", "bus"], 0)
    assert [value for metric, _, value in with_errors if metric == "iou"] == [pytest.approx(2 / 3), 0.5, None]


@given(
    arrays(np.int64, st.tuples(st.integers(3, 9), st.integers(3, 9)), elements=st.sampled_from([0, 1, 2, 255])),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_cells_have_the_class_of_most_of_their_pixels(label, grid):
    np.testing.assert_array_equal(cells_of_mask(label, grid, 3), reference.cells_of_mask(label, *grid, 255))


@given(st.integers(2, 6), st.data())
def test_no_fit_learns_from_a_neighbor_of_what_it_judges(folds, data):
    count = data.draw(st.integers(3 * folds, 80))
    dealt = deal_folds(count, folds)
    assert set(dealt) == set(range(folds))
    sizes = np.bincount(dealt)
    assert sizes.max() - sizes.min() <= 4  # one a block
    turns = np.flatnonzero(np.diff(dealt)) + 1
    blocks = np.diff([0, *turns, count])
    assert blocks.min() >= 3


@pytest.mark.parametrize("folds", [2, 3])
def test_each_pair_is_judged_once_by_a_fit_that_knows_no_neighbor(make_dataset, folds):
    pairs = PairsFile(make_dataset({"train": 14, "test": 5}, size=(8, 8))[0])
    plan = plan_fits(find_labeled(pairs, "boxes"), folds)
    assert sorted(pair.pair_id for pair in plan) == [pair.pair_id for pair in plan]
    assert len(plan) == 19
    for place, pair in enumerate(plan):
        assert pair.judged_by is not None
        for neighbor in plan[max(place - 1, 0) : place + 2]:
            assert pair.judged_by not in neighbor.learned_by
    for fit_number in range(folds):
        assert any(fit_number in pair.learned_by for pair in plan)


def test_without_folds_the_test_pairs_are_judged(make_dataset):
    pairs = PairsFile(make_dataset({"train": 2, "validation": 1, "test": 2}, size=(8, 8))[0])
    plan = plan_fits(find_labeled(pairs, "masks"), 0)
    assert [(pair.pair_id, pair.learned_by, pair.judged_by) for pair in plan] == [
        ("test/000.a", (), 0),
        ("test/001.a", (), 0),
        ("train/000.a", (0,), None),
        ("train/001.a", (0,), None),
        ("validation/000.a", (0,), None),
    ]


@pytest.mark.parametrize(
    ("labels", "boxes", "asked", "chosen"),
    [
        (True, True, "auto", "masks"),
        (False, True, "auto", "boxes"),
        (True, False, "auto", "masks"),
        (True, True, "boxes", "boxes"),
        (False, False, "auto", "masks"),
    ],
)
def test_labels_are_masks_where_there_are_some(make_dataset, labels, boxes, asked, chosen):
    pairs = PairsFile(make_dataset({"train": 1, "test": 1}, size=(8, 8), labels=labels, boxes=boxes)[0])
    assert choose_labels(pairs, ProbeOptions(labels=asked)) == chosen


def test_without_test_pairs_the_kind_is_that_of_all_pairs(make_dataset):
    pairs = PairsFile(make_dataset({"train": 1}, size=(8, 8), labels=False, boxes=True)[0])
    assert choose_labels(pairs, ProbeOptions()) == "boxes"


def test_cells_of_boxes_and_masks_have_the_same_classes_under_the_names_of_each(make_dataset):
    pairs = PairsFile(make_dataset({"test": 1}, size=(64, 80))[0])
    boxes, masks = (CellLabels(pairs, kind, 8) for kind in ("boxes", "masks"))
    assert boxes.grid("test", "000.a") == masks.grid("test", "000.a") == (8, 10)
    assert boxes.classes == ["background", *DESCRIPTOR.detection_classes]
    assert masks.classes == ["background", "car", "person", "bus"]
    found = boxes.read("test", "000.a"), masks.read("test", "000.a")
    assert found[0].shape == found[1].shape == (80,)
    assert (found[0] == found[1]).mean() > 0.8
