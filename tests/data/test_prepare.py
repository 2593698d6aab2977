"""Two folders without a descriptor: what is packed of them, what is left out, and what is refused."""

import json
import shutil
import sys

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from ssvif.data.packed import PairsFile
from ssvif.data.prepare import find_own_pairs, pack_own_pairs
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, read_image, write_png
from ssvif.pairs.pair import Rules
from ssvif.pairs.ranges import Range


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(11):
        write_png(tmp_path / f"cameras/rgb/{i:02}.png", rng.integers(0, 256, (40, 44, 3), np.uint8))
        write_png(tmp_path / f"cameras/heat/{i:02}.png", rng.integers(0, 256, (40, 44), np.uint8))
    return tmp_path / "cameras/rgb", tmp_path / "cameras/heat"


@pytest.fixture
def kelvin(folders):
    """The same with temperatures: 10 K brighter from image to image, within 240 and 400 K."""
    for i, path in enumerate(sorted(folders[1].iterdir())):
        tifffile.imwrite(path.with_suffix(".tif"), read_image(path).astype(np.float32) / 4 + 240 + 10 * i)
        path.unlink()
    return folders


def pack_folders(visible, infrared, output, *, only=None, **how):
    return pack_own_pairs(find_own_pairs(visible, infrared, only=only), output, **how)


def packed_infrared(folder, name):
    packed = PairsFile(folder / "pairs.h5")
    split = next(each for each in packed.splits() if name in packed.names(each))
    return packed.infrared(split, name)


def reading_of(folder):
    with h5py.File(folder / "pairs.h5") as file:
        return json.loads(file.attrs["reading"])


def test_a_tenth_validates_and_folders_or_patterns_pack_equal_bytes(folders, tmp_path):
    for run, sources in (("one", folders), ("two", [str(folder / "*.png") for folder in folders])):
        assert pack_folders(*sources, tmp_path / run) == {"train": 10, "validation": 1}
    assert (tmp_path / "one/pairs.h5").read_bytes() == (tmp_path / "two/pairs.h5").read_bytes()
    packed = PairsFile(tmp_path / "one/pairs.h5")
    assert packed.splits() == ["train", "validation"]
    assert packed.visible("train", packed.names("train")[0]).shape == (40, 44, 3)


def test_temperatures_get_one_range_for_all_of_them(kelvin, tmp_path, log):
    assert pack_folders(*kelvin, tmp_path / "run") == {"train": 10, "validation": 1}
    first, last = (packed_infrared(tmp_path / "run", name).mean() for name in ("00", "10"))
    assert last - first > 100  # each by itself would be as bright as the others
    low, high = map(float, reading_of(tmp_path / "run")["infrared_found"].split(":"))
    assert 240 < low < 260
    assert 380 < high < 404
    assert f"fuse with --infrared-range {reading_of(tmp_path / 'run')['infrared_found']}" in log.text


@pytest.mark.parametrize(
    ("rule", "dark"), [(Range(240, 400), True), ("percentile", False), ("sequence", True)], ids=str
)
def test_the_range_may_be_chosen(kelvin, tmp_path, rule, dark):
    pack_folders(*kelvin, tmp_path / "run", rules=Rules(infrared_range=rule))
    assert (packed_infrared(tmp_path / "run", "00").mean() < 80) == dark


def test_sixteen_bits_of_half_the_size_are_packed(folders, tmp_path, caplog):
    for path in folders[1].iterdir():
        Image.fromarray(read_image(path)[::2, ::2].astype(np.uint16) * 16 + 20000).save(path)
    assert pack_folders(*folders, tmp_path / "run")["train"] == 10
    packed = PairsFile(tmp_path / "run/pairs.h5")
    name = packed.names("train")[0]
    assert packed.visible("train", name).shape == (40, 44, 3)
    assert packed.infrared("train", name).shape == (40, 44)
    assert np.ptp(packed.infrared("train", name)) > 150
    assert caplog.text.count("is resized to the visible one's size (reported once)") == 1
    pack_folders(*folders, tmp_path / "small", rules=Rules(resize="visible"))
    assert PairsFile(tmp_path / "small/pairs.h5").visible("train", name).shape == (20, 22, 3)
    with pytest.raises(UserError, match="too few") as caught:
        pack_folders(*folders, tmp_path / "none", rules=Rules(resize="error"))
    assert "visible 44×40, infrared 22×20" in str(caught.value)


def test_what_is_no_pair_is_left_out_and_told(folders, tmp_path, caplog):
    (folders[0] / "03.png").write_bytes(b"no image")
    (folders[1] / "04.png").unlink()
    for name, size in (("99.png", (40, 44)), ("05.bmp", (40, 44)), ("06.png", (40, 80))):
        write_png(folders[1] / name, np.zeros(size, np.uint8))
    for name, side_px in (("07.png", 36), ("08.png", 20)):
        for folder in folders:
            write_png(folder / name, np.zeros((side_px, side_px), np.uint8))
    assert pack_folders(*folders, tmp_path / "run", crop_px=40, least_crop_px=32) == {"train": 4, "validation": 1}
    assert "5 pairs packed; left out are these 7:" in caplog.text
    for part in (
        "03.png cannot be read",
        "visible 04.png has no infrared image of the same name",
        "heat/05.bmp, ",
        "heat/05.png share the name 05",
        "06: The two images of 06 differ in size (visible 44×40, infrared 80×40)",
        "07: 36×36 px, smaller than the training crop of 40 px; --set crop_px=36 takes it",
        "08: 20×20 px, smaller than the training crop of 40 px; no crop is below 32 px",
        "infrared 99.png has no visible image of the same name",
    ):
        assert part in caplog.text


def test_too_few_pairs_are_told_with_the_reasons(folders, tmp_path):
    for path in sorted(folders[0].iterdir())[1:]:
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"(?s)too few.*10\.png cannot be read"):
        pack_folders(*folders, tmp_path / "run")
    for path in [*folders[0].iterdir(), *folders[1].iterdir()]:
        if path.stem != "00":
            path.unlink()
    with pytest.raises(UserError, match="holds too few pairs"):
        pack_folders(*folders, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (folders[0] / "00.png").unlink()
    with pytest.raises(UserError, match="rgb holds no image"):
        pack_folders(*folders, tmp_path / "run")


def test_images_that_show_nothing_are_no_pairs_to_train_on(kelvin, tmp_path):
    with pytest.raises(UserError, match=r"too few pairs to train on(.|\n)*is white"):
        pack_folders(*kelvin, tmp_path / "run", rules=Rules(infrared_range=Range(0, 1)))


def test_a_list_of_good_pairs_is_taken_with_its_splits(folders, tmp_path, call):
    (folders[0] / "03.png").write_bytes(b"no image")
    good = tmp_path / "good.csv"
    places = ["--visible", folders[0], "--infrared", folders[1]]
    assert call("check", *places, "--fix-list", good)[0] == 1
    counts = pack_folders(*folders, tmp_path / "run", only=good)
    assert sum(counts.values()) == 10
    assert counts["test"] == 1
    ours, theirs = (
        {row["pair_id"]: row["split"] for row in read_csv(path)} for path in (tmp_path / "run/splits.csv", good)
    )
    assert ours == theirs
    (folders[1] / "04.png").unlink()
    with pytest.raises(UserError, match="lists 1 pair that the two sources do not hold"):
        pack_folders(*folders, tmp_path / "run", only=good)


@pytest.fixture
def train(folders, tmp_path, call):
    """A function that trains one epoch on the two folders: status, output, errors."""
    places = ["--visible", folders[0], "--infrared", folders[1], "--output", tmp_path / "run"]
    quick = ["--set", "epochs=1", "--set", "framework=fusion_only", "--set", "crop_px=32", "--device", "cpu"]
    return lambda *more: call("train", *places, *quick, *more)


def test_the_command_trains_on_two_folders(kelvin, train, tmp_path):
    status, output, _ = train("--infrared-range", "240:400")
    assert status == 0
    assert "10 train, 1 validation" in output
    assert (tmp_path / "run/model.safetensors").is_file()
    assert reading_of(tmp_path / "run")["infrared_range"] == "240:400"


def test_a_training_ends_with_the_command_that_takes_its_network(folders, train, tmp_path, call, monkeypatch):
    (tmp_path / "own_printed.py").write_text("from ssvif.models.lite import Lite\n\n\nclass Own(Lite): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    status, output, _ = train("--set", "fusion_model=own_printed:Own")
    assert status == 0
    words = output.rpartition("trained: ")[2].replace("VISIBLE INFRARED", f"{folders[0]} {folders[1]}").split()
    assert call(*words[1:], "--output", tmp_path / "fused", "--device", "cpu")[0] == 0
    sys.modules.pop("own_printed")


def test_a_finished_training_is_not_thrown_away(folders, train, tmp_path):
    model = tmp_path / "run/model.safetensors"
    assert train()[0] == 0
    first, made = model.read_bytes(), model.stat().st_mtime_ns
    status, output, _ = train()
    assert status == 0
    assert "is up to date" in output
    status, _, errors = train("--set", "seed=1")
    assert status == 1
    for part in ("holds a finished training with other settings or pairs", "seed was 0, is 1", "--overwrite"):
        assert part in errors
    for more in (["--infrared-range", "percentile"], ["--resize", "visible"]):
        status, _, errors = train(*more)
        assert status == 1
        assert "how they are read differ" in errors
    moved = shutil.move(folders[0] / "00.png", tmp_path / "00.png")
    assert train()[0] == 1
    shutil.move(moved, folders[0] / "00.png")
    assert model.stat().st_mtime_ns == made
    assert train("--set", "seed=1", "--overwrite")[0] == 0
    assert model.read_bytes() != first


def test_a_half_done_training_of_other_settings_and_a_model_of_unknown_origin_are_kept(train, tmp_path, monkeypatch):
    model = tmp_path / "run/model.safetensors"
    model.parent.mkdir()
    model.write_bytes(b"somebody's")
    status, _, errors = train()
    assert (status, "are not recorded" in errors) == (1, True)
    assert model.read_bytes() == b"somebody's"
    model.unlink()

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ssvif.training.loop.write_pseudo_labels", die)
        assert train()[0] != 0
    state = tmp_path / "run/state.pt"
    held = state.read_bytes()
    status, _, errors = train("--set", "learning_rate=0.1")
    assert status == 1
    assert "an unfinished training with other settings or pairs" in errors
    assert state.read_bytes() == held
    assert train()[0] == 0
    assert not state.exists()
