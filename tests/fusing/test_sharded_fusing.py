"""Several `ssvif fuse --shard` fill one folder, at once or one after the other."""

import json
import subprocess
import sys

import pytest

from fusing.made import save, smooth
from ssvif.fusing.fuser import BaselineFuser
from ssvif.fusing.method_images import collect_images
from ssvif.fusing.packed import fuse_packed
from ssvif.io.errors import UserError
from ssvif.pairs.shard import Shard

COMMAND = [sys.executable, "-m", "ssvif", "fuse", "vi", "ir", "-o", "fused", "--baseline", "average"]

# a command that holds its output until its input ends
HELD = """
import sys
from ssvif.cli.app import main
from ssvif.fusing import command
command.fuse_source = lambda *_, **more: print("held", flush=True) or sys.stdin.read()
main()
"""


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders `vi` and `ir` of seven images, and the working directory beside them."""
    monkeypatch.chdir(tmp_path)
    for i in range(7):
        save(tmp_path / f"vi/{i}.png", smooth(i, 20, 26))
        save(tmp_path / f"ir/{i}.png", smooth(10 + i, 20, 26, 0))
    return tmp_path


def test_shards_give_what_the_whole_gives(folders, fuse):
    assert fuse("vi", "ir", "-o", "whole")[0] == 0
    assert fuse("vi", "ir", "-o", "parts", "--shard", "2/3")[0] == 0
    assert list(contents(folders / "parts")) == ["2.png", "3.png"]
    for shard in ("1/3", "3/3"):
        assert fuse("vi", "ir", "-o", "parts", "--shard", shard)[0] == 0
    assert contents(folders / "parts") == contents(folders / "whole")


def test_what_shards_have_made_is_not_made_again(folders, fuse, caplog):
    for shard in ("1/2", "2/2"):
        assert fuse("vi", "ir", "-o", "fused", "--shard", shard)[0] == 0
    for more, count in ((("--shard", "2/2"), 4), (("--shard", "1/3"), 2), ((), 7)):
        caplog.clear()
        assert fuse("vi", "ir", "-o", "fused", *more)[0] == 0
        assert f"{count} were already there" in caplog.text


def test_images_of_other_settings_are_not_taken_for_those_of_a_shard(folders, fuse, caplog):
    for shard in ("1/2", "2/2"):
        assert fuse("vi", "ir", "-o", "fused", "--shard", shard)[0] == 0
    status, errors = fuse("vi", "ir", "-o", "fused", "--shard", "1/3", "--visible-range", "0:200")
    assert status == 1
    assert "2 images of these names, made from other images, with other settings" in errors
    assert fuse("vi", "ir", "-o", "fused", "--shard", "1/3", "--visible-range", "0:200", "--overwrite")[0] == 0
    status, errors = fuse("vi", "ir", "-o", "fused", "--shard", "1/2")  # two records name 0 and 1: the later one counts
    assert status == 1
    assert "already holds 2 images" in errors
    assert fuse("vi", "ir", "-o", "fused", "--shard", "1/2", "--overwrite")[0] == 0
    caplog.clear()
    assert fuse("vi", "ir", "-o", "fused")[0] == 0
    assert "7 were already there" in caplog.text


def test_shards_of_two_numbers_that_disagree_at_once_are_not_believed(folders, fuse, caplog):
    assert fuse("vi", "ir", "-o", "fused", "--shard", "1/2")[0] == 0
    record = folders / "fused/.ssvif-fuse.1-of-2.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    other = [json.dumps([name, settings, "another state", time]) for name, settings, _, time in lines]
    (folders / "fused/.ssvif-fuse.1-of-3.jsonl").write_text("\n".join(other))
    for there in (0, 3):  # the settings agree, so the images are made again, once
        caplog.clear()
        assert fuse("vi", "ir", "-o", "fused", "--shard", "1/2")[0] == 0
        assert ("3 were already there" in caplog.text) == bool(there)


def test_a_folder_that_a_shard_fills_is_shared_with_shards_alone(folders):
    begun = [sys.executable, "-c", HELD, *COMMAND[3:], "--shard", "1/2"]
    with subprocess.Popen(begun, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shard:
        shard.stdout.readline()
        for other in (COMMAND, [*COMMAND, "--shard", "1/3"]):
            whole = subprocess.run(other, stderr=subprocess.PIPE, text=True, check=False)
            assert whole.returncode == 1
            assert "fused is being written by commands with --shard I/2" in whole.stderr
        assert subprocess.run([*COMMAND, "--shard", "2/2"], stderr=subprocess.PIPE, check=False).returncode == 0
        shard.kill()


def test_a_shard_of_packed_pairs_adds_to_no_folder_of_somebody_elses(pairs, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="holds other files than a former result"):
        fuse_packed(pairs, tmp_path, BaselineFuser("average"), shard=Shard(1, 2))


def test_a_range_of_the_sequence_is_that_of_all_pairs(folders, fuse):
    save(folders / "ir/6.png", (smooth(3, 20, 26, 0) // 2))
    assert fuse("vi", "ir", "-o", "whole", "--infrared-range", "sequence")[0] == 0
    for shard in ("1/2", "2/2"):
        assert fuse("vi", "ir", "-o", "parts", "--shard", shard, "--infrared-range", "sequence")[0] == 0
    assert contents(folders / "parts") == contents(folders / "whole")


def test_shards_fill_one_folder_at_once_and_the_same_one_waits_for_nobody(folders):
    running = [subprocess.Popen([*COMMAND, "--shard", f"{place}/3"], stderr=subprocess.PIPE) for place in (1, 2, 3)]
    assert [process.communicate() and process.returncode for process in running] == [0, 0, 0]
    assert len(contents(folders / "fused")) == 7
    left = {path.name for path in (folders / "fused").iterdir() if path.suffix != ".png"}
    assert left == {f".ssvif-fuse.{place}-of-3.jsonl" for place in (1, 2, 3)}


def test_what_has_no_partner_is_told_once(folders, fuse):
    save(folders / "vi/alone.png", smooth(1, 20, 26))
    assert [fuse("vi", "ir", "-o", "fused", "--shard", f"{place}/2")[0] for place in (1, 2)] == [1, 0]


def test_packed_pairs_and_another_methods_images(pairs, tmp_path):
    fuser = BaselineFuser("average")
    fuse_packed(pairs, tmp_path / "whole", fuser)
    for place in (2, 1):
        fuse_packed(pairs, tmp_path / "parts", fuser, shard=Shard(place, 2))
        collect_images(pairs, tmp_path / "whole", tmp_path / "taken", shard=Shard(place, 2))
    assert contents(tmp_path / "parts") == contents(tmp_path / "taken") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vi", "ir", "-o", "fused", "--shard", "4/3"], "I/N with I from 1 to N"),
        (["vi", "ir", "-o", "fused", "--shard", "1/8"], "There are 7 pairs, too few for 8 shards"),
        (["vi", "ir", "-o", "fused.png", "--shard", "1/7"], "one file, which shards cannot share"),
        (["vi", "ir", "-o", "fused.mp4", "--shard", "1/2"], "one file, which shards cannot share"),
    ],
)
def test_a_wrong_shard_is_told(folders, fuse, arguments, says):
    status, errors = fuse(*arguments)
    assert status == 1
    assert says in errors
    assert not list(folders.glob("fused*"))
