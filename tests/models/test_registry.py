import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from ssvif.io.errors import UserError
from ssvif.models.names import class_path
from ssvif.models.registry import build_fusion_model, load_fusion_model, save_fusion_model
from ssvif.schema import BASELINES, FUSION_MODELS


def test_a_path_is_its_own_name():
    assert class_path("some.where:Net") == "some.where:Net"
    model = build_fusion_model("ssvif.models.seafusion:SeAFusion", 1)
    assert model.channels == 1


def test_names_of_models_and_baselines_differ():
    assert not set(FUSION_MODELS) & set(BASELINES)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nosuch", "Unknown fusion model 'nosuch'"),
        ("no_such_package:Net", "no_such_package"),
        ("ssvif.models.seafusion:NoSuch", "NoSuch"),
        (":Net", "':Net'"),
        (".models:Net", "'.models:Net'"),
        ("torch.nn:Conv2d", "not a fusion model"),
        ("torch:add", "not a fusion model"),
    ],
)
def test_a_wrong_name_is_named(name, says):
    with pytest.raises(UserError, match=says.replace(".", r"\.")) as caught:
        build_fusion_model(name)
    assert caught.value.expected


def test_the_number_of_channels_is_checked():
    with pytest.raises(UserError, match="1 or 3 channels, not 2"):
        build_fusion_model("seafusion", 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_network_comes_back(tmp_path, channels):
    model = build_fusion_model("seafusion", channels)
    path = tmp_path / "new folder" / "model.safetensors"
    save_fusion_model(model, path, name="seafusion", facts={"training": {"seed": 3}})
    back = load_fusion_model(path)
    assert not back.training
    assert back.channels == channels
    ours, theirs = model.state_dict(), back.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_equal_networks_give_equal_bytes_that_the_umask_lets_others_read(tmp_path):
    model = build_fusion_model("seafusion")
    first, second = tmp_path / "a.safetensors", tmp_path / "b" / "other.safetensors"
    save_fusion_model(model, first, name="seafusion", facts={"b": 1, "a": 2})
    save_fusion_model(model, second, name="seafusion", facts={"a": 2, "b": 1})
    assert first.read_bytes() == second.read_bytes()
    save_fusion_model(model, second, name="seafusion", facts={"a": 2, "b": 3})
    assert first.read_bytes() != second.read_bytes()
    (tmp_path / "other").touch()
    assert first.stat().st_mode == (tmp_path / "other").stat().st_mode


def header(**values):
    return {"ssvif": json.dumps({"fusion_model": "seafusion", "channels": 3} | values)}


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (None, "not a model written by ssvif"),
        ({"ssvif": "no JSON"}, "not a model written by ssvif"),
        ({"ssvif": "{}"}, "not a model written by ssvif"),
        (header(channels=1), "size mismatch"),
        (header(fusion_model="nosuch"), "Unknown fusion model 'nosuch'"),
        (header(), r"reconstruct\.0\.weight"),  # is missing
    ],
)
def test_a_file_that_is_no_model_is_named(tmp_path, metadata, says):
    path = tmp_path / "model.safetensors"
    state = build_fusion_model("seafusion").state_dict()
    del state["reconstruct.0.weight"]
    save_file(state, path, metadata=metadata)
    with pytest.raises(UserError, match=says):
        load_fusion_model(path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(lambda weight: weight.long(), "holds torch.int64"), (lambda weight: weight / 0, "values that are not finite")],
)
def test_weights_that_are_no_numbers_of_a_network_are_refused(tmp_path, spoil, says):
    path = tmp_path / "model.safetensors"
    state = build_fusion_model("seafusion").state_dict()
    save_file(state | {"reconstruct.0.weight": spoil(state["reconstruct.0.weight"])}, path, metadata=header())
    with pytest.raises(UserError, match=says):
        load_fusion_model(path)


def test_a_damaged_or_missing_file_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(UserError, match=r"model\.safetensors does not exist"):
        load_fusion_model(path)
    save_fusion_model(build_fusion_model("seafusion"), path, name="seafusion", facts={})
    assert len(load_file(path)) > 0
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is not a model"):
        load_fusion_model(path)


OWN = """
import torch
from torch import nn
from ssvif.models.base import FusionModel


class Net(FusionModel):
    feature_channels = 3

    def __init__(self, channels=3):
        super().__init__()
        self.channels = channels
        self.norm = nn.BatchNorm2d(channels)

    def backbone(self, visible, infrared):
        return self.norm(visible + infrared)

    def decoder(self, features):
        return features
"""


@pytest.fixture
def build_changed(tmp_path, monkeypatch):
    """A function that writes `OWN` with one text replaced, and builds its network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])

    def build(old, new, channels=3):
        assert old in OWN
        name = f"own_{abs(hash((old, new)))}"
        (tmp_path / f"{name}.py").write_text(OWN.replace(old, new, 1))
        return build_fusion_model(f"{name}:Net", channels)

    return build


@pytest.mark.parametrize(
    ("old", "new", "message", "remedy"),
    [
        ("channels=3)", "width)", "TypeError", "def __init__(self, channels: int = 3)"),
        ("        self.channels = channels\n", "", "no number `channels`", "`self.channels = channels`"),
        ("self.channels = channels", "self.channels = 1", "its `channels` is 1", "`self.channels = channels`"),
        ("    feature_channels = 3\n", "", "no number `feature_channels`", "`feature_channels` in the class"),
        (
            "feature_channels = 3",
            "feature_channels = 4",
            "features do not have the shape it declares",
            "finest map first",
        ),
        ("return features", "return features[..., ::2, ::2]", "changes the image's size", "return H×W"),
        ("return features", "return features[:, :1]", "wrong number of channels", "as many channels as the inputs"),
        ("return features", "return features.repeat(1, 1, 2, 2)", "changes the image's size", "return H×W"),
        ("return features", "pass", "NoneType", "return the features of `backbone`"),
        (
            "super().__init__()\n",
            "super().__init__()\n        raise ValueError('for luma alone')\n",
            "for luma alone",
            "line",
        ),
        ("def decoder", "def decode", "abstract", "define `decoder`"),
        ("feature_channels = 3", "feature_channels = = 3", "Cannot import", ""),
        ("import torch", "import sys\nsys.exit(3)", "SystemExit: 3", ""),
        ("super().__init__()", "exit(3)", "SystemExit: 3", "correct this line"),
    ],
)
def test_what_is_wrong_with_an_own_network_is_told_with_the_remedy(build_changed, old, new, message, remedy):
    with pytest.raises(UserError) as caught:
        build_changed(old, new)
    assert message in str(caught.value)
    assert remedy in caught.value.remedy


POOLED = "torch.nn.functional.interpolate(self.norm(visible + infrared)[..., ::2, ::2], scale_factor=2)"


@pytest.mark.parametrize(
    ("new", "remedy"),
    [
        (f"{POOLED} + visible", "pad_to_multiple"),  # raises
        ("self.norm(visible + infrared)[..., : visible.shape[2] // 4 * 4, :]", "pad_to_multiple"),  # too small
        ("pad_to_multiple(visible + infrared, 8, 1)", "sets `multiple = 8`"),
    ],
)
def test_a_network_that_fails_on_odd_sides_alone_is_told_to_pad(build_changed, new, remedy):
    new = f"from ssvif.ops.shapes import pad_to_multiple\n        return {new}"
    with pytest.raises(UserError) as caught:
        build_changed("return self.norm(visible + infrared)", new)
    assert remedy in caught.value.remedy


def test_a_network_that_pads_may_return_the_padded_size_and_say_what_is_the_smallest(build_changed):
    code = """multiple, smallest = 8, 90

    def backbone(self, visible, infrared):
        from ssvif.ops.shapes import pad_to_multiple
        return pad_to_multiple(visible + infrared, self.multiple, self.smallest)
"""
    old = "def backbone(self, visible, infrared):\n        return self.norm(visible + infrared)\n"
    assert build_changed(old, code).smallest == 90


def test_three_channels_written_as_a_number_are_told_where_the_user_wrote_them(build_changed):
    old, new = "nn.BatchNorm2d(channels)", "nn.BatchNorm2d(3)"
    assert build_changed(old, new).channels == 3
    with pytest.raises(UserError, match=r"with 1 channel\n") as caught:
        build_changed(old, new, channels=1)
    line = OWN.splitlines().index("        return self.norm(visible + infrared)") + 1
    assert f"own_{abs(hash((old, new)))}.py, line {line})" in caught.value.got
    assert "for `channels` instead of 3" in caught.value.remedy


@pytest.mark.parametrize("name", ["queue", "torch", "sys"])
def test_a_file_named_like_another_module_is_to_be_renamed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name}.py").write_text(OWN)
    with pytest.raises(UserError, match=f"no attribute 'Net' .imported: .*({name}|built into)") as caught:
        build_fusion_model(f"{name}:Net")
    assert f"rename your file {name}.py" in caught.value.remedy


def test_trying_an_own_network_leaves_it_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_untouched.py").write_text(OWN)
    model = build_fusion_model("own_untouched:Net")
    assert model.training
    assert model.norm.num_batches_tracked == 0


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """A model file of a network of the user's own, whose module leaves a trace when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    name = f"own_traced_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(f"open('RAN', 'w').close()\n{OWN}")
    save_fusion_model(build_fusion_model(f"{name}:Net"), tmp_path / "own.safetensors", name=f"{name}:Net", facts={})
    (tmp_path / "RAN").unlink()
    del sys.modules[name]
    yield tmp_path / "own.safetensors", f"{name}:Net"
    sys.modules.pop(name, None)


def test_a_file_never_decides_what_is_imported(own_file):
    path, name = own_file
    with pytest.raises(UserError, match="not one of ssvif's") as caught:
        load_fusion_model(path)
    assert f"ssvif fuse VIS IR -o OUT --model {path} --network {name}" in caught.value.remedy
    assert not (path.parent / "RAN").exists()
    assert type(load_fusion_model(path, name)).__name__ == "Net"
    assert (path.parent / "RAN").exists()


@pytest.mark.parametrize("held", ["idlelib.idle:X", "antigravity:Net", "os:system"])
def test_a_module_of_python_that_a_file_names_is_not_imported_either(tmp_path, held):
    save_fusion_model(build_fusion_model("lite"), tmp_path / "m.safetensors", name=held, facts={})
    before = set(sys.modules)
    with pytest.raises(UserError, match="not one of ssvif's"):
        load_fusion_model(tmp_path / "m.safetensors")
    assert held.partition(":")[0] in before or held.partition(":")[0] not in sys.modules


def test_a_network_of_ours_is_no_other_one(tmp_path):
    save_fusion_model(build_fusion_model("lite"), tmp_path / "m.safetensors", name="lite", facts={})
    with pytest.raises(UserError, match="of the network lite, not some:Net"):
        load_fusion_model(tmp_path / "m.safetensors", "some:Net")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "5",
        "[" * 50_000,
        '{"fusion_model": 5, "channels": 3}',
        '{"fusion_model": ["lite"], "channels": 3}',
        '{"fusion_model": "lite", "channels": 1e400}',
        '{"fusion_model": "lite", "channels": 3.0}',
        '{"fusion_model": "nosuch", "channels": 3}',
        f'{{"fusion_model": "lite", "channels": {"9" * 5000}}}',
    ],
)
def test_strange_metadata_are_refused_in_one_line(tmp_path, text):
    save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={"ssvif": text})
    with pytest.raises(UserError, match="is not a model written by ssvif") as caught:
        load_fusion_model(tmp_path / "m.safetensors")
    assert len(str(caught.value)) < 1000
