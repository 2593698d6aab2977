from pathlib import Path

import pytest
import torch

from ssvif import schema
from ssvif.io.errors import UserError
from ssvif.io.fingerprint import fingerprint
from ssvif.models import names
from ssvif.models.inference import INFERENCES
from ssvif.models.registry import build_fusion_model, save_fusion_model
from ssvif.models.released_names import PUBLISHED


def take(model):
    return names.network_fingerprint(model, "ssvif.training.loop")


def test_names_that_the_configuration_checks_are_those_there_are():
    assert tuple(INFERENCES) == schema.INFERENCE_NAMES
    assert set(PUBLISHED) == set(schema.PUBLISHED_MODELS)


def test_networks_have_fingerprints_of_their_own(monkeypatch):
    taken = {name: take(name) for name in names.FUSION_NETWORKS}
    assert len(set(taken.values())) == len(taken)
    monkeypatch.setitem(names.FUSION_NETWORKS, "another", "ssvif.models.another:Another")
    assert {name: take(name) for name in taken} == taken  # a new network makes no other one old


def test_an_own_networks_file_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text("SCALE = 1\n")
    before = take("mine:Net")
    file.write_text("# a comment\nSCALE = 1\n")
    assert take("mine:Net") == before
    file.write_text("SCALE = 2\n")
    assert take("mine:Net") != before


def test_a_network_of_ours_that_an_own_one_builds_on_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "built.py").write_text("from ssvif.models.emma import EMMA\n")
    assert fingerprint("built") != fingerprint("built", without={"ssvif.models.emma"})


def test_networks_of_the_package_have_their_files_and_cards():
    cards = (names.WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert sorted(path.stem for path in names.WEIGHTS.glob("*.safetensors")) == sorted(schema.PACKAGED_MODELS)
    for name in schema.PACKAGED_MODELS:
        assert names.read_header(names.packaged_model(name))["channels"] == 3
        assert f"\n## `{name}`\n" in cards


def test_a_network_is_found_by_name_or_by_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names.find_model(None) == names.packaged_model("fast")
    assert names.find_model(Path("fast")) == names.packaged_model("fast")
    (tmp_path / "mine").touch()
    for path in ("mine", "gone.safetensors"):  # what a missing file is told as, its reader knows better
        assert names.find_model(Path(path)) == Path(path)
    with pytest.raises(UserError, match="is a folder"):
        names.find_model(tmp_path)
    with pytest.raises(UserError, match=r"no network 'slow'(?s:.*)fast \| accurate \| the file"):
        names.find_model(Path("slow"))
    with pytest.raises(UserError, match=r"no network 'slow'(?s:.*)fast \| accurate"):
        names.packaged_model("slow")


def test_initial_weights_of_the_package_must_fit_and_count_by_content(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "WEIGHTS", tmp_path)
    assert names.initial_digest("scaled") == ""
    names.check_initialization("scaled", "emma", 1)
    digests = set()
    for seed in range(2):
        torch.manual_seed(seed)
        save_fusion_model(build_fusion_model("lite", 1), tmp_path / "fast.safetensors", name="lite", facts={})
        digests.add(names.initial_digest("fast"))
    assert len(digests) == 2
    names.check_initialization("fast", "lite", 1)
    names.check_initialization("fast", "ssvif.models.lite:Lite", 1)
    for model, channels in (("lite", 3), ("seafusion", 1)):
        with pytest.raises(UserError, match=r"does not fit(?s:.*)`fusion_model: lite` and `channels: 1`"):
            names.check_initialization("fast", model, channels)


def test_a_start_that_is_known_of_two_networks_is_refused_for_others_without_building_them():
    for model in ("seafusion", "lite"):
        names.check_initialization("maximum", model, 3)
    for model in ("emma", "my_package.my_module:MyFusion"):
        with pytest.raises(UserError, match=f"{model} returns the maximum"):
            names.check_initialization("maximum", model, 3)


@pytest.mark.parametrize("name", [":", "mine", "mine:", ":Net", "my mod:Net"])
def test_what_is_no_path_is_refused(name):
    for function in (names.class_path, take):
        with pytest.raises(UserError, match=f"Unknown fusion model '{name}'"):
            function(name)
