"""Networks as files: the same numbers at every size, and a file that says what it is."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from reference.networks import scatter
from ssvif.cli import app as cli
from ssvif.fusing.export import SUFFIXES, TOLERANCE, WholeFusion, describe, export_model, largest_difference
from ssvif.fusing.onnx_fuser import OnnxFuser
from ssvif.fusing.torch_fuser import TorchFuser
from ssvif.io.errors import UserError
from ssvif.io.files import sha256_of
from ssvif.models.base import FusionModel
from ssvif.models.names import packaged_model
from ssvif.models.registry import build_fusion_model, load_fusion_model, save_fusion_model
from ssvif.ops.shapes import pad_to_multiple
from ssvif.schema import FUSION_MODELS

onnx = pytest.importorskip("onnx", reason="the extra ssvif[onnx] is not installed")
pytest.importorskip("onnxscript", reason="the extra ssvif[onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra ssvif[onnx] is not installed")

SIZES = ((1, 1, 1), (1, 7, 5), (2, 16, 24), (1, 33, 58), (3, 8, 8))


class Padding(FusionModel):
    """As small as a network can be that pads, is cut, and has the layers at which an export could go wrong."""

    feature_channels = 4
    multiple = 4

    def __init__(self, channels=3):
        super().__init__()
        self.channels = channels
        self.see, self.paint = nn.Conv2d(2 * channels, 4, 3, padding=1), nn.Conv2d(4, channels, 3, padding=1)

    def backbone(self, visible, infrared):
        return torch.tanh(self.see(pad_to_multiple(torch.cat([visible, infrared], dim=1), self.multiple, 3)))

    def decoder(self, features):
        return self.paint(features)


class Branching(Padding):
    def decoder(self, features):
        return self.paint(features) if features.shape[-1] == 80 else features[:, :3]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.safetensors"
    facts = {"training": {"seed": 3}}
    save_fusion_model(scatter(build_fusion_model("seafusion", 1)), path, name="seafusion", facts=facts)
    return path


@pytest.fixture(scope="module")
def exported(network):
    """The one-channel network through the command: luma, chroma and metadata are in the file."""
    path = network.with_name("model.onnx")
    cli.app(["export", str(network), "-o", str(path)], standalone_mode=False)
    return path


def small(channels=3):
    return scatter(Padding(channels))


def read_facts(path):
    return json.loads({entry.key: entry.value for entry in onnx.load(path).metadata_props}["ssvif"])


def facts_of(model, name="small"):
    return describe(model, name, {})


@torch.no_grad()
def worst(model, fuser, sizes=SIZES, least=1):
    whole, found = TorchFuser(model, torch.device("cpu")), []
    for batch, height, width in sizes:
        random = np.random.default_rng(height * 100 + width)
        visible = random.random((batch, max(height, least), max(width, least), 3), np.float32)
        infrared = random.random(visible.shape[:3], np.float32)
        found.append(abs(whole(visible, infrared) - fuser(visible, infrared)).max())
    return max(found)


def test_the_exported_network_fuses_alike_at_every_size(network, exported):
    assert worst(load_fusion_model(network), OnnxFuser(exported, "cpu")) <= 1e-5


def test_the_command_says_what_it_wrote(network, monkeypatch, capsys):
    def written(model, path, *, facts, form):
        return path.write_bytes(b"0" * 10**6) * (form != "torch")

    monkeypatch.setattr("ssvif.fusing.export.export_model", written)
    path = network.with_name("said.PT2")
    cli.app(["export", str(network), "-o", str(path)], standalone_mode=False)
    assert capsys.readouterr().out == (
        f"{path}: seafusion, 1 channels, 1.0 MB; differs from PyTorch by at most 0.0e+00\n"
    )


# what float32 rounds: SeAFusion in PyTorch's two memory layouts differs as much, and from float64 by 1e-5
@pytest.mark.parametrize(("name", "tolerance"), [("fast", 1e-6), ("accurate", 2e-5)])
def test_the_onnx_files_of_the_package_are_those_that_the_export_writes(tmp_path, name, tolerance):
    held, made = packaged_model(name).with_suffix(".onnx"), tmp_path / "made.onnx"
    cli.app(["export", str(packaged_model(name)), "-o", str(made)], standalone_mode=False)
    for path in (held, made):
        assert worst(load_fusion_model(packaged_model(name)), OnnxFuser(path, "cpu"), SIZES[1:]) <= tolerance
        assert read_facts(path)["weights_sha256"] == sha256_of(packaged_model(name))
    if onnx.load(held).producer_version == torch.__version__ and read_facts(held) == read_facts(made):
        assert held.read_bytes() == made.read_bytes()


def test_a_network_of_the_package_is_copied_by_name_unless_more_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ssvif.fusing.export.export_model", lambda model, path, **_: path.touch() or 0)
    for words, name in (([], "fast"), (["accurate"], "accurate")):
        path = tmp_path / f"{name}.onnx"
        cli.app(["export", *words, "-o", str(path)], standalone_mode=False)
        assert path.read_bytes() == packaged_model(name).with_suffix(".onnx").read_bytes()
        assert f"{path}: the ONNX file of {name} in the package" in capsys.readouterr().out
    for words in (["-o", str(tmp_path / "fast.pt2")], ["-o", str(tmp_path / "fast"), "--format", "torch"]):
        cli.app(["export", "fast", *words], standalone_mode=False)
        assert "differs from PyTorch" in capsys.readouterr().out


def test_a_released_network_is_not_read_from_a_network_of_the_package():
    with pytest.raises(UserError, match="released network 'mrfs' needs a checkpoint"):
        cli.app(["export", "--network", "mrfs"], standalone_mode=False)


def test_the_file_says_what_it_is(network, exported):
    proto, facts = onnx.load(exported), read_facts(exported)
    assert facts["weights_sha256"] == sha256_of(network)
    assert facts["fusion_model"] == "seafusion"
    assert facts["channels"] == 1
    assert "chroma" in facts["color"]
    assert facts["settings"] == {"channels": 1, "training": {"seed": 3}}
    assert facts["reach"] == {"radius_px": 9, "grid_px": 1}
    assert facts["inputs"].keys() == {"visible", "infrared"}
    names = [[each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim] for value in
             (*proto.graph.input, *proto.graph.output)]  # fmt: skip
    assert names == [["batch", 3, "height", "width"], ["batch", 1, "height", "width"], ["batch", 3, "height", "width"]]


def test_the_file_names_no_path_of_this_machine(exported):
    assert b"/ssvif/" not in exported.read_bytes()
    assert b".py" not in exported.read_bytes()


@pytest.mark.parametrize(("form", "channels"), [("onnx", 3), ("torch", 1)])
def test_a_network_that_pads_is_the_same_at_every_size_and_every_time(tmp_path, channels, form):
    model, paths = small(channels), [tmp_path / f"{name}{SUFFIXES[form]}" for name in ("first", "second")]
    for path in paths:
        assert export_model(model, path, facts=facts_of(model) | {"least_px": 3}, form=form) <= 1e-6
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_the_program_of_torch_export_reads_without_our_source(tmp_path):
    model, path = small(), tmp_path / "model.pt2"
    export_model(model, path, facts=facts_of(model) | {"least_px": 3}, form="torch")
    extra = {"ssvif": ""}
    loaded = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["ssvif"])["fusion_model"] == "small"
    for batch, height, width in SIZES[1:]:
        pair = torch.rand(batch, 3, height, width), torch.rand(batch, 1, height, width)
        torch.testing.assert_close(loaded(*pair), WholeFusion(model)(*pair), rtol=0, atol=1e-6)


def test_a_network_that_branches_on_sizes_is_refused(tmp_path):
    model = scatter(Branching())
    with pytest.raises(
        UserError, match=r"x\.onnx is not written: .* gives other results(?s:.*)must not branch on sizes"
    ):
        export_model(model, tmp_path / "x.onnx", facts=facts_of(model) | {"least_px": 3})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("difference", [2 * TOLERANCE, float("inf"), float("nan")])
def test_a_file_that_computes_something_else_is_not_left_behind(tmp_path, monkeypatch, difference):
    monkeypatch.setattr("ssvif.fusing.export.largest_difference", lambda *_: difference)
    model = small()
    with pytest.raises(UserError, match="gives other results"):
        export_model(model, tmp_path / "x.pt2", facts=facts_of(model) | {"least_px": 3}, form="torch")
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_sees_a_single_pixel():
    def whole(visible, infrared):
        return visible * 1.0

    def changed(visible, infrared):
        fused = visible.clone()
        fused[-1, 0, -1, -1] += 0.25 if visible.shape[2] == 64 else 0
        return fused

    assert largest_difference(whole, whole, 1) == 0
    assert largest_difference(whole, changed, 1) == pytest.approx(0.25)
    assert largest_difference(whole, lambda visible, _: visible / 0, 1) == float("inf")


def test_what_is_asked_for_wrongly_is_told(tmp_path, monkeypatch):
    model = small()
    with pytest.raises(UserError, match="Unknown --format 'tflite'"):
        export_model(model, tmp_path / "x", facts={}, form="tflite")
    for name, form in (("x.txt", "onnx"), ("x.onnx", "torch")):
        with pytest.raises(UserError, match=f"{name} does not end in"):
            export_model(model, tmp_path / name, facts={}, form=form)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(UserError, match=r"export to ONNX needs onnxscript(?s:.*)ssvif\[onnx\]"):
        export_model(model, tmp_path / "x.onnx", facts={})


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FUSION_MODELS)
def test_every_network_as_onnx(tmp_path, name, channels):
    model, path = scatter(build_fusion_model(name, channels)), tmp_path / "model.onnx"
    assert export_model(model, path, facts=facts_of(model, name)) <= 1e-5
    fuser = OnnxFuser(path, "cpu")
    assert worst(model, fuser, ((1, 41, 67), (2, 24, 88), (1, 8, 8)), fuser.least_px) <= 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", FUSION_MODELS)
def test_every_network_as_a_program(tmp_path, name):
    model, path = scatter(build_fusion_model(name, 3)), tmp_path / "model.pt2"
    assert export_model(model, path, facts=facts_of(model, name), form="torch") <= 1e-6
