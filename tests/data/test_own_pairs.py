"""Two folders without a descriptor: what is packed of them, and what is refused."""

import numpy as np
import pytest

from ssvif.cli import app as cli
from ssvif.data.own_pairs import pack_folders
from ssvif.data.pairs import PairsFile
from ssvif.ops.errors import UserError
from ssvif.ops.files import write_png


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(11):
        write_png(tmp_path / f"cameras/rgb/{i:02}.png", rng.integers(0, 256, (40, 44, 3), np.uint8))
        write_png(tmp_path / f"cameras/heat/{i:02}.png", rng.integers(0, 256, (40, 44), np.uint8))
    return tmp_path / "cameras/rgb", tmp_path / "cameras/heat"


def test_a_tenth_validates_and_none_tests(folders, tmp_path):
    assert pack_folders(*folders, tmp_path / "run") == {"train": 10, "validation": 1}
    packed = PairsFile(tmp_path / "run/pairs.h5")
    assert packed.splits() == ["train", "validation"]
    assert packed.visible("train", packed.names("train")[0]).shape == (40, 44, 3)


def test_equal_folders_pack_equal_bytes(folders, tmp_path):
    for run in ("one", "two"):
        pack_folders(*folders, tmp_path / run)
    assert (tmp_path / "one/pairs.h5").read_bytes() == (tmp_path / "two/pairs.h5").read_bytes()


def test_one_folder_for_both_sides_is_refused(folders, tmp_path):
    with pytest.raises(UserError, match="both sides"):
        pack_folders(folders[0], folders[0], tmp_path / "run")


def test_a_brace_in_a_folders_name_is_told(folders, tmp_path):
    odd = folders[0].with_name("rgb{left}")
    folders[0].rename(odd)
    with pytest.raises(UserError, match=r"rgb\{left\}"):
        pack_folders(odd, folders[1], tmp_path / "run")


def test_one_pair_is_too_few(folders, tmp_path):
    for folder in folders:
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    with pytest.raises(UserError, match="too few"):
        pack_folders(*folders, tmp_path / "run")


def test_the_command_trains_on_two_folders(folders, tmp_path, monkeypatch, capsys):
    words = ["--set", "epochs=1", "--set", "framework=fusion_only", "--set", "crop_px=32"]
    places = ["--visible", str(folders[0]), "--infrared", str(folders[1]), "--output", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["ssvif", "train", *places, *words, "--device", "cpu"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    assert "10 train, 1 validation" in capsys.readouterr().out
    assert (tmp_path / "run/model.safetensors").is_file()
