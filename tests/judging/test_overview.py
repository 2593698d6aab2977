from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from reference.released import NAMES, released_state
from ssvif.cli import app as cli
from ssvif.judging.overview import check_checkpoint, describe_network, list_networks
from ssvif.models.names import packaged_model
from ssvif.models.origins import ORIGINS
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import FUSION_NETWORKS


def asked(*arguments):
    return CliRunner().invoke(cli.app, ["models", *map(str, arguments)])


def test_each_network_has_a_row_and_each_released_one_an_origin(tmp_path):
    assert ORIGINS.keys() == PUBLISHED.keys()
    for name, released in PUBLISHED.items():  # which looks for these in a folder
        assert [file for file in released.parts.values() if file] in ([], list(ORIGINS[name].files))
    (tmp_path / "emma.pth").touch()
    lines = list_networks({"emma": tmp_path / "emma.pth", "sage": tmp_path / "none.pt"}).splitlines()
    rows = {words[0]: words[1:] for line in lines if (words := line.split()) and words[0] in FUSION_NETWORKS}
    assert rows.keys() == FUSION_NETWORKS.keys()
    assert [name for name, cells in rows.items() if "no" in cells] == ["mrfs"]
    assert rows["emma"][0] == "1,517,657"
    assert rows["emma"][-1] == "there"
    assert rows["sage"][-2:] == ["MIT", "missing"]
    assert rows["lite"][-2:] == ["fast", "ours"]


def test_a_network_of_unknown_origin_is_not_called_ours(monkeypatch):
    monkeypatch.delitem(ORIGINS, "sage")
    (line,) = (line for line in list_networks({}).splitlines() if line.startswith("sage"))
    assert line.split()[-1] == "unknown"


@pytest.mark.parametrize("name", ORIGINS)
def test_an_entry_tells_a_networks_checkpoint_from_others(name):
    own = ORIGINS[name].key.replace(": module.", ".")
    holders = [each for each, keys in NAMES.items() if any(key.endswith(own) for key in keys())]
    assert holders == [name]


@pytest.mark.parametrize("name", ORIGINS)
def test_a_released_network_says_what_to_get_and_where_to_put_it(name, tmp_path):
    text = describe_network(name, tmp_path / "here")
    assert all(file in text for file in ORIGINS[name].files)
    assert f"{tmp_path / 'here'} (missing)" in text
    assert f"--network {name}" in text


def test_the_papers_table_says_where_checkpoints_lie(tmp_path):
    done = asked("seafusion", "--data-root", tmp_path)
    assert done.exit_code == 0
    assert str(tmp_path.parent / "checkpoints") in done.output


def test_of_several_files_all_must_be_there(tmp_path):
    folder = tmp_path / "timfusion_published"
    folder.mkdir()
    for name in ORIGINS["timfusion"].files:
        assert f"{folder} (missing)" in describe_network("timfusion", folder)
        (folder / name).touch()
    assert f"{folder} (there)" in describe_network("timfusion", folder)


def test_a_file_at_the_place_that_is_told_is_there(tmp_path, monkeypatch):
    """Also from where there is no folder `data`, beside which `checkpoints` lies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "sage.pt").touch()
    text = describe_network("sage", Path("data/../checkpoints/sage.pt"))
    assert f"{tmp_path / 'checkpoints' / 'sage.pt'} (there)" in text


def test_a_checkpoint_is_checked(tmp_path):
    torch.save(released_state("sage"), tmp_path / "sage.pt")
    assert check_checkpoint("sage", tmp_path / "sage.pt").endswith(
        "is a checkpoint of sage: 135,617 parameters to fuse gray images with"
    )
    torch.save(released_state("seafusion"), tmp_path / "seafusion.pt")
    assert check_checkpoint("seafusion", tmp_path / "seafusion.pt").endswith(
        ": 166,657 parameters to fuse gray images with; 226 more of the released network are never used"
    )
    assert "--model" in asked("seafusion", packaged_model("accurate")).exception.remedy
    done = asked("emma", tmp_path / "sage.pt")
    assert "it looks like sage" in str(done.exception)


def test_a_network_that_nobody_released_is_told():
    assert "Nobody released a checkpoint of 'lite'" in str(asked("lite").exception)
    assert "Unknown fusion model 'foo'" in str(asked("foo").exception)
    assert asked("SeAFusion").output == asked("seafusion").output
    assert asked("CDDFuze").exception.remedy == "write cddfuse, if you mean that"
