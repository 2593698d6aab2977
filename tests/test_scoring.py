import csv
import logging
import math
import shutil

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from reference.images import as_tensor, natural_triple
from ssvif.metrics.collection import METRICS, evaluate
from ssvif.ops.errors import UserError
from ssvif.ops.files import write_png
from ssvif.scoring import ALL_METRICS, score_folders, score_pairs, summarize

SIZES = {"b_small": (70, 64), "a_large": (161, 170)}


@pytest.fixture(scope="module")
def triples():
    return {name: natural_triple(*size, seed=len(name)) for name, size in SIZES.items()}


@pytest.fixture
def folders(tmp_path, triples):
    for name, images in triples.items():
        for folder, image in zip(("visible", "infrared", "fused"), images, strict=True):
            write_png(tmp_path / folder / f"{name}.png", image)
    return tuple(tmp_path / folder for folder in ("visible", "infrared", "fused"))


@pytest.fixture
def pairs(tmp_path, triples):
    with h5py.File(tmp_path / "pairs.h5", "w") as file:
        file.attrs["format"] = "ssvif-pairs-1"
        for name, (visible, infrared, _) in triples.items():
            file[f"test/{name}/visible"], file[f"test/{name}/infrared"] = visible, infrared
    return tmp_path / "pairs.h5"


def read_rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_pairs_score_what_the_metrics_give(pairs, folders, triples, tmp_path, caplog):
    output = tmp_path / "run" / "fusion_metrics.csv"
    with caplog.at_level(logging.INFO, "ssvif"):
        score_pairs(pairs, folders[2], output, dataset="made", run="first")
    rows = read_rows(output)
    assert [row["pair_id"] for row in rows] == [name for name in sorted(SIZES) for _ in METRICS]
    assert [row["metric"] for row in rows] == 2 * list(ALL_METRICS)
    assert {(row["dataset"], row["run"]) for row in rows} == {("made", "first")}
    expected = evaluate(*map(as_tensor, triples["a_large"]))
    for row in rows[: len(METRICS)]:
        assert float(row["value"]) == pytest.approx(expected[row["metric"]].item(), rel=1e-9)
    empty = {(row["pair_id"], row["metric"]) for row in rows if not row["value"]}
    assert empty == {("b_small", "ms_ssim"), ("b_small", "ms_ssim255")}
    messages = [message for message in caplog.messages if "left empty" in message]
    assert messages == [f"{name} is left empty for 1 images: it needs sides of at least 161 px" for name in
                        ("ms_ssim", "ms_ssim255")]  # fmt: skip
    first = output.read_bytes()
    score_pairs(pairs, folders[2], output, dataset="made", run="first")
    assert output.read_bytes() == first


def test_folders_equal_pairs(pairs, folders, tmp_path):
    by_pairs, by_folders = tmp_path / "pairs.csv", tmp_path / "folders.csv"
    score_pairs(pairs, folders[2], by_pairs, dataset="made", run="first", metrics=["en", "vif"])
    score_folders(*folders, by_folders, dataset="made", run="first", metrics=["en", "vif"])
    assert by_pairs.read_bytes() == by_folders.read_bytes()
    assert len(read_rows(by_pairs)) == 4


def test_fused_folder_decides_and_suffixes_may_differ(folders, tmp_path):
    visible, infrared, fused = folders
    (fused / "b_small.png").unlink()
    with Image.open(infrared / "a_large.png") as image:
        image.save(infrared / "a_large.bmp")
    (infrared / "a_large.png").unlink()
    score_folders(visible, infrared, fused, tmp_path / "out.csv", dataset="", run="", metrics=["mi"])
    assert [row["pair_id"] for row in read_rows(tmp_path / "out.csv")] == ["a_large"]


def test_palette_and_alpha_do_not_change_the_score(folders, tmp_path):
    visible, infrared, fused = folders
    outputs = [tmp_path / name for name in ("plain.csv", "alpha.csv", "palette.csv")]
    with Image.open(fused / "b_small.png") as image:
        reduced = image.quantize(100)
    reduced.convert("RGB").save(fused / "b_small.png")
    for output, kind in zip(outputs, ("RGB", "RGBA", "P"), strict=True):
        (reduced if kind == "P" else reduced.convert("RGB").convert(kind)).save(fused / "b_small.png")
        score_folders(visible, infrared, fused, output, dataset="", run="", metrics=["en", "qabf", "delta_e76"])
    assert outputs[0].read_bytes() == outputs[1].read_bytes() == outputs[2].read_bytes()


def test_summary_is_the_mean_of_what_has_a_value(pairs, folders, tmp_path):
    score_pairs(pairs, folders[2], tmp_path / "out.csv", dataset="", run="")
    rows = read_rows(tmp_path / "out.csv")
    summary = summarize(tmp_path / "out.csv")
    assert list(summary) == list(METRICS)
    for metric, mean in summary.items():
        values = [float(row["value"]) for row in rows if row["metric"] == metric and row["value"]]
        assert len(values) == (1 if metric.startswith("ms_") else 2)
        assert mean == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_no_image_is_large_enough(folders, tmp_path):
    for folder in folders:
        (folder / "a_large.png").unlink()
    score_folders(*folders, tmp_path / "out.csv", dataset="", run="", metrics=["ms_ssim"])
    assert [row["value"] for row in read_rows(tmp_path / "out.csv")] == [""]
    assert summarize(tmp_path / "out.csv") == {}


def test_nan_is_written_and_named(folders, tmp_path, caplog):
    for folder in folders[:2]:
        write_png(folder / "b_small.png", np.zeros(SIZES["b_small"], np.uint8))
    score_folders(*folders, tmp_path / "out.csv", dataset="", run="", metrics=["en", "qabf"])
    assert "qabf is not a number (nan) for b_small" in caplog.messages
    assert [row["value"] for row in read_rows(tmp_path / "out.csv")][3] == "nan"
    summary = summarize(tmp_path / "out.csv")
    assert math.isnan(summary["qabf"])
    assert not math.isnan(summary["en"])
    assert any("qabf of b_small" in message for message in caplog.messages[1:])


def remove_fused(folders):
    (folders[2] / "a_large.png").unlink()


def resize_fused(folders):
    write_png(folders[2] / "a_large.png", np.zeros((161, 169), np.uint8))


def cut_fused_short(folders):
    path = folders[2] / "a_large.png"
    path.write_bytes(path.read_bytes()[:2000])


def deepen_fused(folders):
    Image.fromarray(np.zeros((161, 170), np.uint16)).save(folders[2] / "a_large.png")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_fused, r"(?s)fused lacks 1 fused images: a_large.*remedy"),
        (resize_fused, r"(?s)a_large\.png has another size.*170×161.*169×161.*remedy"),
        (cut_fused_short, r"(?s)a_large\.png cannot be read.*remedy"),
        (deepen_fused, r"(?s)a_large\.png is not an 8-bit image.*remedy"),
    ],
)
def test_bad_fused_images_are_named_and_nothing_is_lost(pairs, folders, tmp_path, damage, reason):
    output = tmp_path / "out.csv"
    output.write_text("kept")
    damage(folders)
    with pytest.raises(UserError, match=reason):
        score_pairs(pairs, folders[2], output, dataset="", run="", metrics=["en"])
    assert output.read_text() == "kept"
    assert not list(tmp_path.glob(".*"))


def test_missing_source_is_named(folders, tmp_path):
    (folders[1] / "b_small.png").unlink()
    with pytest.raises(UserError, match=r"(?s)infrared lacks 1 images: b_small.*remedy"):
        score_folders(*folders, tmp_path / "out.csv", dataset="", run="")


def test_missing_and_empty_folders_are_named(folders, tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder"):
        score_folders(tmp_path / "nowhere", *folders[1:], tmp_path / "out.csv", dataset="", run="")
    shutil.rmtree(folders[2])
    folders[2].mkdir()
    with pytest.raises(UserError, match="fused holds no image"):
        score_folders(*folders, tmp_path / "out.csv", dataset="", run="")


def test_unknown_metric_and_split(pairs, folders, tmp_path):
    with pytest.raises(UserError, match="psnr"):
        score_pairs(pairs, folders[2], tmp_path / "out.csv", dataset="", run="", metrics=["psnr"])
    with pytest.raises(UserError, match="validation"):
        score_pairs(pairs, folders[2], tmp_path / "out.csv", dataset="", run="", split="validation")


def test_summary_of_a_damaged_file(tmp_path):
    (tmp_path / "out.csv").write_text("dataset,run,pair_id,metric,value\nd,r,one,en,six\n")
    with pytest.raises(UserError, match=r"en of one is 'six'"):
        summarize(tmp_path / "out.csv")


def test_values_repeat_exactly(triples):
    images = [as_tensor(each) for each in triples["b_small"]]
    small = [name for name in METRICS if METRICS[name].smallest_side < 64]
    first, second = (evaluate(*images, small) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in small)
