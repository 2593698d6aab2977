import math
import shutil

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import one_hot

from reference import information
from ssvif.training.diagnostics import (
    ClassUsage,
    mutual_information,
    normalized_mutual_information,
    read_references,
)


def logits(classes, *rows):
    """Logits (1,K,H,W) that are sure of the classes given."""
    return one_hot(torch.tensor([rows]), classes).permute(0, 3, 1, 2).float() * 9


def compute(classes, label, feature, pixel):
    usage = ClassUsage(classes)
    usage.update(*(logits(classes, *each) for each in (feature, pixel, label)))
    return usage.compute()


def test_agreement_is_the_mean_iou_of_classes_that_occur():
    """Class 0: 2 of 3 pixels overlap, class 1: 1 of 3, class 2: 1 of 2; class 3 does not occur."""
    feature, pixel = [[0, 0, 0, 1, 1, 2]], [[0, 0, 1, 1, 2, 2]]
    found = compute(4, feature, feature, pixel)
    assert found["agreement"] == pytest.approx((2 / 3 + 1 / 3 + 1 / 2) / 3)
    assert compute(4, feature, pixel, feature)["agreement"] == pytest.approx(found["agreement"])


def test_usage_is_the_labels():
    found = compute(5, [[0, 0, 1, 3]], [[4, 4, 4, 4]], [[4, 4, 4, 4]])
    assert found["live_classes"] == 3
    assert found["class_entropy"] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    assert found["agreement"] == 1


def test_one_class_everywhere():
    found = compute(3, [[2, 2]], [[2, 2]], [[0, 0]])
    assert found == {
        "live_classes": 1,
        "class_entropy": 0,
        "agreement": 0,
        "pixel_agreement": 0,
        "position_information": 0,
    }
    assert isinstance(found["live_classes"], int)


@pytest.mark.parametrize(("pixels", "live"), [(1, 1), (2, 2)])
def test_a_class_lives_above_a_thousandth(pixels, live):
    label = torch.zeros(1, 2, 1, 1000)
    label[:, 0] = 1
    label[:, :, :, :pixels] = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    usage = ClassUsage(2)
    usage.update(label, label, label)
    assert usage.compute()["live_classes"] == live


def test_batches_count_together():
    parts, whole = ClassUsage(6), ClassUsage(6)
    random = torch.Generator().manual_seed(0)
    batches = [[torch.rand(2, 6, 5, 4, generator=random) for _ in range(3)] for _ in range(3)]
    for batch in batches:
        parts.update(*batch)
    whole.update(*(torch.cat(each) for each in zip(*batches, strict=True)))
    assert parts.compute() == whole.compute()


def test_pixel_agreement_is_the_share_of_pixels():
    assert compute(4, [[0] * 6], [[0, 0, 0, 1, 1, 2]], [[0, 0, 1, 1, 2, 2]])["pixel_agreement"] == pytest.approx(4 / 6)


def test_nothing_is_said_of_nothing():
    assert ClassUsage(3).compute() == {}


def one_label(label, classes, **references):
    """Diagnostics of a label (B,H,W) that both branches share."""
    usage = ClassUsage(classes, references)
    usage.update(*[one_hot(label, classes).permute(0, 3, 1, 2).float()] * 3)
    return usage.compute()


def test_position_information_tells_frames_from_scenes():
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    frame = ((rows < 8) | (rows >= 56) | (columns < 8) | (columns >= 56)).long().expand(3, -1, -1)
    found = one_label(frame, 2)
    assert found["position_information"] == pytest.approx(found["class_entropy"])  # the cell says everything
    noise = torch.randint(0, 2, (3, 64, 64), generator=torch.Generator().manual_seed(0))
    assert one_label(noise, 2)["position_information"] < 0.01
    checks = ((rows + columns) % 2).expand(3, -1, -1)
    assert one_label(checks, 2)["position_information"] == pytest.approx(0, abs=1e-12)


def test_position_information_is_the_mean_divergence_of_a_cell_from_the_whole():
    label = torch.randint(0, 3, (2, 16, 24), generator=torch.Generator().manual_seed(1))
    label[:, :4] = 2
    cells = label.view(2, 8, 2, 8, 3).permute(1, 3, 0, 2, 4).reshape(64, -1)
    usage = one_hot(cells, 3).double().mean(dim=1)
    whole = usage.mean(dim=0)
    divergences = [sum(p * math.log(p / q) for p, q in zip(cell, whole, strict=True) if p) for cell in usage]
    expected = float(sum(divergences) / 64)
    assert one_label(label, 3)["position_information"] == pytest.approx(expected)


def test_images_smaller_than_the_grid_are_counted_too():
    assert one_label(torch.arange(4).view(1, 2, 2), 4)["position_information"] == pytest.approx(math.log(4))


pixels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=60)


@given(pixels, st.permutations(range(5)))
def test_information_equals_its_definition_whatever_the_classes_are_called(found, renamed):
    first, second = ([each[side] for each in found] for side in (0, 1))
    counts = torch.zeros(5, 4)
    for one, other in found:
        counts[renamed[one], other] += 1
    assert mutual_information(counts) == pytest.approx(information.mutual_information(first, second), abs=1e-9)
    expected = information.normalized_mutual_information(first, second)
    assert normalized_mutual_information(counts) == pytest.approx(expected, abs=1e-9)
    assert normalized_mutual_information(counts.T) == pytest.approx(expected, abs=1e-9)
    assert 0 <= normalized_mutual_information(counts) <= 1


def test_a_pseudo_label_is_compared_where_the_reference_has_a_class():
    label = torch.tensor([[[0, 1, 2, 2]], [[0, 0, 1, 1]]])
    reference = torch.tensor([[[5, 3, 255, 7]], [[5, 5, 3, 255]]], dtype=torch.uint8)
    nothing = torch.full((2, 1, 4), 255, dtype=torch.uint8)
    found = one_label(label, 3, nmi_label=reference, nmi_color=nothing)
    assert found["nmi_label"] == pytest.approx(1)
    assert "nmi_color" not in found
    usage = ClassUsage(3, {"nmi_label": reference})
    for one in label:  # batches are compared in order
        usage.update(*[one_hot(one[None], 3).permute(0, 3, 1, 2).float()] * 3)
    assert usage.compute()["nmi_label"] == pytest.approx(1)


def test_references_are_the_colors_and_the_labels_of_the_middle(pairs, tmp_path):
    with h5py.File(pairs, locking=False) as file:
        names = sorted(file["validation"])
        whole = [file["validation"][name]["label"][()] for name in names]
    found = read_references(pairs, names, 32, 3)
    for label, part in zip(whole, found["nmi_label"], strict=True):
        top, left = (label.shape[0] - 32) // 2, (label.shape[1] - 32) // 2
        np.testing.assert_array_equal(part, label[top : top + 32, left : left + 32])
    again = read_references(pairs, names, 32, 3)
    assert all(torch.equal(found[each], again[each]) for each in found)
    assert found["nmi_color"].unique().tolist() == [0, 1, 2]
    counts = torch.zeros(3, 2)
    for cluster, label in zip(*(found[each].flatten().tolist() for each in ("nmi_color", "nmi_label")), strict=True):
        counts[cluster, label] += 1
    assert (counts[:, 1] > 0).sum() == 1  # the person is a cluster: dark, and the one that is hot
    bare = tmp_path / "bare.h5"
    shutil.copyfile(pairs, bare)
    with h5py.File(bare, "r+") as file:
        del file[f"validation/{names[0]}/label"]
    without = read_references(bare, names, 32, 3)["nmi_label"]
    assert (without[0] == 255).all()
    assert torch.equal(without[1], found["nmi_label"][1])


def test_one_color_is_one_cluster(tmp_path, pairs):
    flat = tmp_path / "flat.h5"
    shutil.copyfile(pairs, flat)
    with h5py.File(flat, "r+") as file:
        names = sorted(file["validation"])
        for name in names:
            pair = file[f"validation/{name}"]
            for side in ("visible", "infrared"):
                pair[side][...] = 9
                del pair.attrs[f"crc32_{side}"]
    assert len(read_references(flat, names, 32, 15)["nmi_color"].unique()) == 1
