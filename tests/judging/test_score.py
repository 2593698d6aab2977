import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from reference.images import as_tensor, natural_triple
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, read_image, write_png
from ssvif.judging.score import folder_cases, packed_cases, write_scores
from ssvif.metrics.collection import STANDARD_SET, evaluate
from ssvif.pairs.pair import Rules, resized
from ssvif.pairs.ranges import Range

SMALL = (70, 64)  # of b_small
AS_THEY_ARE = Rules(resize="error")


@pytest.fixture
def pairs(tmp_path, triples):
    with h5py.File(tmp_path / "pairs.h5", "w") as file:
        file.attrs["format"] = "ssvif-pairs-1"
        for name, (visible, infrared, _) in triples.items():
            file[f"test/{name}/visible"], file[f"test/{name}/infrared"] = visible, infrared
    return tmp_path / "pairs.h5"


def score_pairs(pairs, fused, output, metrics=("en",), only="*"):
    write_scores(output, packed_cases(pairs, fused, only), dataset="made", run="first", metrics=metrics)


def score_folders(folders, output, metrics=("en",), only="*", rules=AS_THEY_ARE, workers=1):
    cases = folder_cases(*folders, only, rules)
    write_scores(output, cases, dataset="made", run="first", metrics=metrics, workers=workers)


def test_pairs_score_what_the_metrics_give(pairs, folders, triples, tmp_path, log):
    output = tmp_path / "run" / "fusion_metrics.csv"
    score_pairs(pairs, folders[2], output, STANDARD_SET)
    rows = read_csv(output)
    assert [row["pair_id"] for row in rows] == [name for name in sorted(triples) for _ in STANDARD_SET]
    assert [row["metric"] for row in rows] == 2 * list(STANDARD_SET)
    assert {(row["dataset"], row["run"]) for row in rows} == {("made", "first")}
    expected = evaluate(*map(as_tensor, triples["a_large"]))
    for row in rows[: len(STANDARD_SET)]:
        assert float(row["value"]) == pytest.approx(expected[row["metric"]].item(), rel=1e-9)
    empty = {(row["pair_id"], row["metric"]) for row in rows if not row["value"]}
    assert empty == {("b_small", "ms_ssim"), ("b_small", "ms_ssim255")}
    told = [message for message in log.messages if "left empty" in message]
    why = "is left empty for 1 image: it needs sides of at least 161 px"
    assert told == [f"ms_ssim {why}", f"ms_ssim255 {why}"]
    first = output.read_bytes()
    score_pairs(pairs, folders[2], output, STANDARD_SET)
    assert output.read_bytes() == first


def test_folders_equal_pairs(pairs, folders, tmp_path):
    by_pairs, by_folders = tmp_path / "pairs.csv", tmp_path / "folders.csv"
    score_pairs(pairs, folders[2], by_pairs, ["en", "vif"])
    score_folders(folders, by_folders, ["en", "vif"])
    assert by_pairs.read_bytes() == by_folders.read_bytes()
    assert len(read_csv(by_pairs)) == 4


def test_fused_folder_decides_and_suffixes_may_differ(folders, tmp_path):
    visible, infrared, fused = folders
    (fused / "b_small.png").unlink()
    with Image.open(infrared / "a_large.png") as image:
        image.save(infrared / "a_large.bmp")
    (infrared / "a_large.png").unlink()
    score_folders((visible, infrared, fused), tmp_path / "out.csv", ["mi"])
    assert [row["pair_id"] for row in read_csv(tmp_path / "out.csv")] == ["a_large"]


def test_gray_alpha_and_losses_of_fused_images_are_told(folders, tmp_path, caplog):
    fused = folders[2]
    with Image.open(fused / "a_large.png") as image:
        image.putalpha(200)
        image.save(fused / "a_large.png")
    with Image.open(fused / "b_small.png") as image:
        image.convert("L").save(fused / "b_small.jpg")
    (fused / "b_small.png").unlink()
    with caplog.at_level("INFO", logger="ssvif"):
        score_folders(folders, tmp_path / "out.csv")
    for told in ("gray; color", "an alpha channel", "JPEG"):
        assert f"{fused}: 1 of 2 images: {told}" in caplog.text


def test_no_image_is_large_enough(folders, tmp_path):
    for folder in folders:
        (folder / "a_large.png").unlink()
    score_folders(folders, tmp_path / "out.csv", ["ms_ssim"])
    assert [row["value"] for row in read_csv(tmp_path / "out.csv")] == [""]


BLACK = "the visible image is 0 everywhere, the infrared image is 0 everywhere"


@pytest.mark.parametrize(
    ("sides", "image", "metric", "value", "reason"),
    [
        (2, np.zeros(SMALL, np.uint8), "qabf", "nan", BLACK),
        (3, natural_triple(70, 64, 1)[1], "psnr", "inf", "the fused image equals both sources"),
    ],
)
def test_a_value_that_is_no_number_is_written_and_named_with_its_reason(
    folders, tmp_path, caplog, sides, image, metric, value, reason
):
    for folder in folders[:sides]:
        write_png(folder / "b_small.png", image)
    score_folders(folders, tmp_path / "out.csv", ["en", metric])
    assert caplog.messages[-1] == f"{metric} is {value} for b_small: {reason}"
    values = [row["value"] for row in read_csv(tmp_path / "out.csv")]
    assert [each == value for each in values] == [False, False, False, True]


def test_fused_images_of_other_scenes_are_told(folders, triples, tmp_path, caplog):
    score_folders(folders, tmp_path / "out.csv", ["qabf"])
    assert not caplog.messages
    write_png(folders[2] / "b_small.png", np.tile(np.arange(SMALL[1], dtype=np.uint8), (SMALL[0], 1)))
    for metric in ("qabf", "vif"):
        caplog.clear()
        score_folders(folders, tmp_path / "out.csv", [metric])
        (message,) = caplog.messages
    assert message.startswith("1 fused image of 2 have hardly anything of their pairs")
    assert message.endswith("b_small")


@pytest.mark.parametrize("side", range(3))
def test_constant_images_are_told_and_a_side_of_nothing_else_is_refused(folders, tmp_path, caplog, side):
    name, output = ("visible", "infrared", "fused")[side], tmp_path / "out.csv"
    write_png(folders[side] / "b_small.png", np.full(SMALL, 7, np.uint8))
    score_folders(folders, output, ["en"])
    assert f"1 constant {name} image, of little use to the scores: b_small (7 everywhere)" in caplog.messages
    for folder in folders:
        (folder / "a_large.png").unlink()
    output.write_text("kept")
    with pytest.raises(UserError, match=rf"(?s)All {name} images are constant.*b_small \(7 everywhere\)"):
        score_folders(folders, output, ["en"])
    assert output.read_text() == "kept"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "fused lacks 1 fused image: a_large.*remedy"),
        (lambda path: write_png(path, np.zeros((161, 169), np.uint8)), "has another size.*170×161.*169×161.*remedy"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), r"a_large\.png cannot be read.*remedy"),
        (lambda path: Image.new("I;16", (170, 161)).save(path), r"a_large\.png is not an 8-bit image.*remedy"),
    ],
)
def test_bad_fused_images_are_named_and_nothing_is_lost(pairs, folders, tmp_path, damage, reason):
    output = tmp_path / "out.csv"
    output.write_text("kept")
    damage(folders[2] / "a_large.png")
    with pytest.raises(UserError, match=f"(?s){reason}"):
        score_pairs(pairs, folders[2], output)
    assert output.read_text() == "kept"
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_matched_is_named(folders, tmp_path, log):
    visible, infrared, fused = folders
    with pytest.raises(UserError, match="nowhere does not exist"):
        folder_cases(tmp_path / "nowhere", infrared, fused)
    Image.fromarray(np.zeros((70, 64), np.uint8)).save(visible / "b_small.bmp")
    with pytest.raises(UserError, match=r"b_small\.bmp, .*b_small\.png share the name b_small"):
        folder_cases(*folders)
    (visible / "b_small.bmp").unlink()
    (infrared / "b_small.png").rename(infrared.parent / "b_small.png")
    with pytest.raises(UserError, match=r"(?s)visible b_small.png has no infrared image of the same name.*remedy"):
        folder_cases(*folders)
    (infrared.parent / "b_small.png").rename(infrared / "b_small.png")
    (fused / "b_small.png").unlink()
    assert [case.pair_id for case in folder_cases(*folders)] == ["a_large"]
    assert [message.endswith("for 1 pair, ignored: b_small") for message in log.messages] == [True]
    (fused / "a_large.png").unlink()
    with pytest.raises(UserError, match="fused holds no image"):
        folder_cases(*folders)


def test_no_test_pairs_give_a_file_that_says_so(pairs, folders, tmp_path):
    with h5py.File(pairs, "a") as file:
        file.move("test", "train")
    score_pairs(pairs, folders[2], tmp_path / "out.csv", STANDARD_SET)
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "dataset,run,pair_id,metric,value,note",
        "made,first,,left_out,,no test pairs",
    ]


@pytest.mark.parametrize("workers", [0, 2, 5])
def test_workers_do_not_change_a_byte(pairs, folders, tmp_path, workers):
    for i in range(6):
        for folder, image in zip(folders, natural_triple(50 + i, 60, i), strict=True):
            write_png(folder / f"more{i}.png", image)
    outputs = [tmp_path / "one.csv", tmp_path / "many.csv"]
    for output, count in zip(outputs, (1, workers), strict=True):
        score_folders(folders, output, ["mi", "vif", "qabf", "ssim"], workers=count)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    names = ["a_large", "b_small", *(f"more{i}" for i in range(6))]
    assert [row["pair_id"] for row in read_csv(outputs[0])][::4] == names


def test_torch_has_its_threads_back_even_after_an_error(folders, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (folders[2] / "a_large.png").write_bytes(b"damaged")
        with pytest.raises(UserError, match="a_large"):
            score_folders(folders, tmp_path / "out.csv", workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_pattern_chooses_images(pairs, folders, tmp_path):
    for only, expected in (("a_*", ["a_large"]), ("[bc]_small", ["b_small"]), ("*", ["a_large", "b_small"])):
        score_folders(folders, tmp_path / "folders.csv", only=only)
        score_pairs(pairs, folders[2], tmp_path / "pairs.csv", only=only)
        assert [row["pair_id"] for row in read_csv(tmp_path / "folders.csv")] == expected
        assert (tmp_path / "pairs.csv").read_bytes() == (tmp_path / "folders.csv").read_bytes()
    (folders[2] / "b_small.png").unlink()  # not asked for, so not missed
    score_pairs(pairs, folders[2], tmp_path / "pairs.csv", only="a*")


def test_a_pattern_that_matches_nothing_is_told(pairs, folders, tmp_path):
    for cases, sources in ((packed_cases, (pairs, folders[2])), (folder_cases, folders)):
        with pytest.raises(UserError, match=r"(?s)matches '00\*N'.*a_large, b_small"):
            cases(*sources, only="00*N")


def test_a_source_of_another_size_is_named(folders, tmp_path):
    write_png(folders[1] / "a_large.png", np.zeros((160, 170), np.uint8))
    with pytest.raises(UserError, match=r"(?s)two images of a_large differ in size.*visible 170×161, infrared 170×160"):
        score_folders(folders, tmp_path / "out.csv")


def test_deep_sources_are_measured_by_the_rules_of_fusing(folders, tmp_path):
    """Kelvin of a known range give what the 8 bits give; a range of each image or of all gives something else."""
    visible, infrared, fused = folders
    deep, made = infrared.with_name("kelvin"), {}
    deep.mkdir()
    for path in infrared.iterdir():
        Image.fromarray(read_image(path).astype(np.float32) / 255 * 60 + 270).save(deep / f"{path.stem}.tif")
    for name, folder, rule in (
        ("8 bits", infrared, "auto"),
        ("fixed", deep, Range(270, 330)),
        ("each", deep, "auto"),
        ("all", deep, "sequence"),
    ):
        output, rules = tmp_path / f"{name}.csv", Rules(infrared_range=rule)
        score_folders((visible, folder, fused), output, ["mi", "ssim"], rules=rules)
        made[name] = output.read_bytes()
    assert made["fixed"] == made["8 bits"]
    assert len(set(made.values())) == 3


def test_what_was_resized_or_aligned_for_fusing_is_so_for_measuring(folders, tmp_path):
    visible, infrared, fused = folders
    half = infrared.with_name("half")
    half.mkdir()
    for path in infrared.iterdir():
        image = read_image(path)
        Image.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2)).save(half / path.name)
    with pytest.raises(UserError, match="differ in size"):
        score_folders((visible, half, fused), tmp_path / "out.csv", ["mi"])
    by_resizing, by_hand = tmp_path / "out.csv", tmp_path / "hand.csv"
    score_folders((visible, half, fused), by_resizing, ["mi"], rules=Rules(resize="infrared"))
    for path in half.iterdir():
        size = read_image(visible / path.name).shape[:2]
        write_png(half / path.name, resized(read_image(path), size))
    score_folders((visible, half, fused), by_hand, ["mi"])
    assert by_resizing.read_bytes() == by_hand.read_bytes()


def test_ten_thousand_files_are_matched_in_seconds(tmp_path):
    """The files are empty: matching opens none."""
    folders = [tmp_path / name for name in ("visible", "infrared", "fused")]
    for folder, suffix in zip(folders, (".jpg", ".bmp", ".png"), strict=True):
        folder.mkdir()
        for i in range(10_000):
            (folder / f"{i:05d}{suffix}").touch()
    begin = time.process_time()
    matched = folder_cases(*folders)
    assert time.process_time() - begin < 5
    assert [case.pair_id for case in matched] == [f"{i:05d}" for i in range(10_000)]
    assert matched[7].fused == folders[2] / "00007.png"
    (folders[1] / "01234.bmp").unlink()
    with pytest.raises(UserError, match=r"visible 01234\.jpg has no infrared image of the same name"):
        folder_cases(*folders)
    assert len(folder_cases(*folders, only="*5")) == 1000
