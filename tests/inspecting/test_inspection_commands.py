import os
import subprocess
import sys

import pytest

from ssvif.io.files import read_image, write_png


def test_good_pairs_end_with_zero_and_bad_ones_with_one(call, folder):
    status, output, _ = call("check", folder)
    assert status == 0
    assert output.startswith(f"visible images: {folder}/vi/")
    assert output.splitlines()[-1] == "0 errors, 0 warnings, 6 good pairs"
    write_png(folder / "vi/1.png", read_image(folder / "vi/1.png") // 30)
    assert call("check", "--visible", folder / "vi", "--infrared", folder / "ir/*.png")[0] == 0
    (folder / "ir/2.png").write_bytes(b"nothing")
    status, output, errors = call("check", folder, "--quick")
    assert (status, errors) == (1, "")
    assert "1 error, 1 warning, 5 good pairs" in output


def test_a_check_writes_what_it_is_asked_for_even_if_something_is_wrong(call, folder, tmp_path):
    (folder / "ir/2.png").unlink()
    wanted = ["--output", tmp_path / "all.csv", "--fix-list", tmp_path / "good.csv"]
    status, output, _ = call("check", folder, *wanted)
    assert status == 1
    assert "good.csv: 3 train, 1 validation, 1 test" in output
    assert (tmp_path / "all.csv").read_text().startswith("split,pair_id,side,file,level,finding,value,detail\n")
    assert len((tmp_path / "good.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("check {}/gone", "gone is not a folder"),
        ("check {}", "no subfolder"),
        ("align --visible {} --infrared {} --output x", "is given for both sides"),
        ("check --visible {} --infrared {}", "is given for both sides"),
        ("align --visible {} --infrared {} --output x --model m", "model 'm'"),
        ("check", "needs one of DIR, --dataset, or --visible with --infrared"),
        ("check --visible a", "needs one of DIR, --dataset, or --visible with --infrared"),
        ("check a --visible a --infrared b", "needs one of DIR, --dataset, or --visible with --infrared"),
    ],
)
def test_wrong_calls_are_told_without_a_traceback(call, tmp_path, command, says):
    status, _, errors = call(*command.replace("{}", str(tmp_path)).split())
    assert status == 1
    assert errors.startswith("ssvif: ")
    assert says in errors


def test_checking_and_aligning_need_no_torch(folder):
    code = """
import sys
from ssvif.inspecting import align, check, folders
from ssvif.data.find import find_dataset
from pathlib import Path
assert not check.check_pairs(find_dataset(*folders.recognise_folder(Path(sys.argv[1])))).failed
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_aligning_tells_what_is_in_no_pair_and_refuses_two_files_of_a_name(
    call, scenes, write_folders, tmp_path, caplog
):
    visible, infrared = write_folders(scenes[0], scenes[1])
    next(infrared.iterdir()).rename(infrared / "other.png")
    asked = ["align", "--visible", visible, "--infrared", infrared, "--output", tmp_path / "a.json"]
    call(*asked)
    assert "2 images in no pair: " in caplog.text
    write_png(visible / "other.png", read_image(infrared / "other.png"))
    (visible / "other.bmp").write_bytes((visible / "other.png").read_bytes())
    status, _, errors = call(*asked)
    assert status == 1
    assert "share the name other" in errors


def test_a_name_that_is_not_utf8_is_a_finding_and_keeps_no_list_from_being_written(call, folder, tmp_path):
    for side in ("vi", "ir"):
        (folder / side / "5.png").rename(folder / side / os.fsdecode(b"b\xff.png"))
    lists = "--output", tmp_path / "found.csv", "--fix-list", tmp_path / "good.csv"
    call("check", "--visible", folder / "vi", "--infrared", folder / "ir", *lists)
    assert "udcff" in (tmp_path / "found.csv").read_text()
    assert len((tmp_path / "good.csv").read_text().splitlines()) == 6
