from dataclasses import replace

import numpy as np
import pytest
import torch

from ssvif.io.files import read_csv, read_image
from ssvif.training.framework import Framework
from ssvif.training.pseudo_label_pictures import CUES, GAP_PX, ClassTally, class_colors, write_pseudo_labels

CPU = torch.device("cpu")


def test_shares_means_and_what_classes_explain_by_hand():
    random = np.random.default_rng(0)
    gray, heat = random.random((2, 6, 8))
    label = random.integers(0, 3, (6, 8))
    visible = torch.tensor(gray).expand(1, 3, -1, -1).float()
    infrared = torch.tensor(heat).expand(1, 3, -1, -1).float()
    tally = ClassTally(5)
    tally.add(torch.tensor(label[:2]), visible[..., :2, :], infrared[..., :2, :])
    tally.add(torch.tensor(label[2:]), visible[..., 2:, :], infrared[..., 2:, :])
    rows = {row["class"]: row for row in tally.rows()}
    assert set(rows) == {0, 1, 2}
    for index, row in rows.items():
        assert row["share"] == pytest.approx((label == index).mean())
        assert row["visible"] == pytest.approx(gray[label == index].mean(), abs=1e-5)
        assert row["infrared"] == pytest.approx(heat[label == index].mean(), abs=1e-5)
    explained = {row["cue"]: row["explained"] for row in tally.explained()}
    assert set(explained) == set(CUES)
    within = sum(((heat[label == index] - heat[label == index].mean()) ** 2).sum() for index in range(3))
    assert explained["infrared"] == pytest.approx(1 - within / ((heat - heat.mean()) ** 2).sum(), abs=1e-5)


def test_a_cue_that_is_the_class_is_explained_wholly_and_a_flat_one_not_at_all():
    label = torch.arange(12).view(3, 4) % 2
    tally = ClassTally(2)
    tally.add(label, torch.full((1, 3, 3, 4), 0.5), label.float().expand(1, 3, -1, -1))
    explained = {row["cue"]: row["explained"] for row in tally.explained()}
    assert explained["infrared"] == pytest.approx(1)
    assert explained["visible"] == 0
    assert explained["row"] == pytest.approx(0, abs=1e-12)


def test_a_label_that_frames_the_image_follows_the_border():
    rows, columns = torch.meshgrid(torch.arange(21), torch.arange(31), indexing="ij")
    label = ((rows < 4) | (rows > 16) | (columns < 4) | (columns > 26)).long()
    random = torch.rand((2, 1, 3, 21, 31), generator=torch.Generator().manual_seed(0))
    tally = ClassTally(2)
    tally.add(label, *random)
    explained = {row["cue"]: row["explained"] for row in tally.explained()}
    assert explained["border"] > 0.5
    assert max(explained[cue] for cue in ("visible", "infrared", "row")) < 0.05


def test_pictures_lie_beside_the_pairs(pairs, options, tmp_path):
    write_pseudo_labels(Framework(options, CPU), pairs, tmp_path / "labels")
    pictures = sorted((tmp_path / "labels").glob("*.png"))
    assert len(pictures) == 2
    for path in pictures:
        image = read_image(path)
        width = (image.shape[1] - GAP_PX * 5) / 6
        assert width in (47, 52)
        last = image[:, -int(width) :].reshape(-1, 3)
        assert {tuple(color) for color in last} <= {tuple(color) for color in class_colors(4)}
    shares = [float(row["share"]) for row in read_csv(tmp_path / "labels/classes.csv")]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert [row["cue"] for row in read_csv(tmp_path / "labels/follows.csv")] == list(CUES)


def test_a_supervised_run_is_drawn_in_the_colors_of_the_dataset(pairs, options, tmp_path):
    supervised = replace(options, classes=2, framework="supervised")
    write_pseudo_labels(Framework(supervised, CPU), pairs, tmp_path / "labels")
    image = read_image(next((tmp_path / "labels").glob("*.png")))
    last = image[:, -40:].reshape(-1, 3)
    assert {tuple(color) for color in last} <= {(0, 0, 0), (226, 48, 60)}


def test_without_trained_branches_the_tables_are_empty(pairs, tmp_path):
    write_pseudo_labels(None, pairs, tmp_path / "labels")
    assert sorted(path.name for path in (tmp_path / "labels").iterdir()) == ["classes.csv", "follows.csv"]
    assert read_csv(tmp_path / "labels/classes.csv") == read_csv(tmp_path / "labels/follows.csv") == []


def test_colors_differ():
    colors = class_colors(20).astype(int)
    distances = np.abs(colors[:, None] - colors[None]).sum(axis=2) + 1000 * np.eye(20, dtype=int)
    assert distances.min() > 20
