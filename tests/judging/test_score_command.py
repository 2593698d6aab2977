"""What `ssvif score` measures when asked, shows, compares and refuses."""

import re
import shutil
from pathlib import Path

import pytest

from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.judging.score import choose_metrics
from ssvif.metrics.collection import METRICS, STANDARD_SET


@pytest.mark.parametrize(
    ("names", "convention", "expected"),
    [
        ("", "both", STANDARD_SET),
        ("", "paper", ("en", "mi", "vif", "qabf", "ssim", "ms_ssim", "delta_e76")),
        ("", "standard", ("en", "mi", "vif", "qabf", "ssim255", "ms_ssim255", "delta_e2000")),
        ("all", "both", tuple(METRICS)),
        (" mi, en,mi,", "both", ("mi", "en")),
        ("ssim255, ssim", "both", ("ssim255", "ssim")),
        ("all", "paper", tuple(name for name, each in METRICS.items() if each.convention != "standard")),
        ("vif,all", "both", ("vif", *(name for name in METRICS if name != "vif"))),
        ("SSIM,MS-SSIM", "both", ("ssim", "ms_ssim")),
    ],
)
def test_metrics_are_chosen_by_name_and_convention(names, convention, expected):
    assert choose_metrics(names, convention) == expected


@pytest.mark.parametrize(
    ("names", "convention", "says"),
    [
        ("en,nosuch", "both", "(?s)Unknown metric.*nosuch"),
        ("en", "vifb", "(?s)Unknown convention.*vifb"),
        ("ssim,en", "standard", "(?s)Not of the convention 'standard': ssim\n.*ssim255.*--convention both"),
        ("all,ssim255,en,delta_e2000", "paper", "Not of the convention 'paper': ssim255, delta_e2000\n"),
    ],
)
def test_metrics_that_cannot_be_chosen_are_told(names, convention, says):
    with pytest.raises(UserError, match=says):
        choose_metrics(names, convention)


def test_the_documentation_lists_every_metric_as_it_is():
    text = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    listed = {row[0].strip("`"): (row[2], row[4], row[5], row[6]) for row in rows}
    assert listed == {
        name: (each.unit, each.better, each.convention, str(each.smallest_side)) for name, each in METRICS.items()
    }


@pytest.fixture
def command(folders, tmp_path, call):
    """A function that scores the folders: status, output, errors."""
    named = [f"--{folder.name}={folder}" for folder in folders]
    return lambda *more: call("score", *named, f"--output={tmp_path / 'out.csv'}", *more)


def test_the_command_shows_a_summary_and_writes_the_file(command, tmp_path):
    status, output, _ = command("--convention=standard", "--only=a_*", "--device=cpu", "--workers=2")
    assert status == 0
    names = [line.split()[0] for line in output.splitlines() if not line.startswith("─")]
    assert names == ["metric", "en", "mi", "vif", "qabf", "ssim255", "ms_ssim255", "delta_e2000"]
    assert [row["metric"] for row in read_csv(tmp_path / "out.csv")] == names[1:]


def test_the_shards_one_after_the_other_are_the_file_of_all(command, tmp_path):
    assert command("--metrics=mi,en")[0] == 0
    whole = (tmp_path / "out.csv").read_text()
    parts = []
    for shard in ("1/2", "2/2"):
        assert command("--metrics=mi,en", "--shard", shard)[0] == 0
        parts.append((tmp_path / "out.csv").read_text())
    header, rows = parts[1].split("\n", 1)
    assert parts[0] + rows == whole
    assert whole.startswith(header)
    assert "too few for 3 shards" in command("--shard=1/3")[2]


def test_the_command_compares_with_another_file(command, folders, tmp_path):
    assert command("--metrics=mi,en,delta_e76")[0] == 0
    (tmp_path / "out.csv").rename(tmp_path / "first.csv")
    for folder in folders[:2]:
        shutil.copy(folder / "a_large.png", folders[2] / "a_large.png")
    _, output, _ = command("--metrics=en,mi", f"--against={tmp_path / 'first.csv'}")
    shown = output.partition("differences are to first.csv")[2].splitlines()[3:9]
    assert [line.split()[0] for line in shown] == ["MI", "first.csv", "out.csv", "EN", "first.csv", "out.csv"]
    assert all(line.endswith("2  no evidence") for line in shown[2::3])


def test_the_command_tells_before_it_measures_that_nothing_could_be_compared(command, tmp_path):
    for says in ("does not exist", "expected: values of the same images.*elsewhere; and a_large"):
        status, _, errors = command("--metrics=en,mi", f"--against={tmp_path / 'first.csv'}")
        assert status == 1
        assert re.search(rf"(?s)first\.csv .*{says}", errors)
        assert not (tmp_path / "out.csv").exists()
        (tmp_path / "first.csv").write_text("pair_id,metric,value\nelsewhere,en,1\n")


def test_an_output_that_is_a_folder_is_told_before_anything_is_measured(command, tmp_path, monkeypatch):
    (tmp_path / "out.csv").mkdir()
    monkeypatch.setattr("ssvif.judging.score.evaluate", lambda *_, **__: pytest.fail("measured"))
    assert re.search(r"out\.csv is a folder, not a file\n.*remedy", command("--metrics=en")[2])


def test_names_that_are_no_utf8_are_told_before_anything_is_measured(command, folders, tmp_path, caplog):
    path = folders[2] / "b_small.png"
    try:
        path.rename(folders[2] / "b\udce9.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert re.search(r"b.udce9\.png has a name that is not UTF-8", command("--metrics=en")[2])
    assert not (tmp_path / "out.csv").exists()
    path.with_name("b\udce9.png").unlink()
    (folders[0] / "b_small.png").rename(folders[0] / "b\udce9.png")  # of a pair that was not fused
    assert command("--metrics=en")[0] == 0
    assert caplog.messages[0].endswith("b\\udce9.png has a name that is not UTF-8: it is left out")


def test_the_command_takes_the_ranges_that_were_fused_with(command, folders, tmp_path):
    assert command("--metrics=mi")[0] == 0
    as_stored = (tmp_path / "out.csv").read_bytes()
    assert command("--metrics=mi", "--infrared-range=0:255", "--visible-range=full")[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == as_stored
    assert command("--metrics=mi", "--infrared-range=percentile")[0] == 0
    assert (tmp_path / "out.csv").read_bytes() != as_stored
    assert "'hot' is not a valid range" in command("--infrared-range=hot")[2]


def test_the_command_takes_packed_pairs_as_they_are(folders, call):
    places = ["--pairs=pairs.h5", f"--fused={folders[2]}", "--output=out.csv"]
    assert "need --visible and --infrared" in call("score", *places, "--resize=infrared")[2]
