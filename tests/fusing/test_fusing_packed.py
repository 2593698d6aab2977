import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch

from fusing.made import Refusing
from reference.files import digests_of
from reference.networks import scatter
from ssvif.cli import app as cli
from ssvif.data.packed import PairsFile
from ssvif.fusing.fuser import BaselineFuser
from ssvif.fusing.packed import fuse_packed
from ssvif.fusing.torch_fuser import TorchFuser
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_png
from ssvif.models.inference import INFERENCES
from ssvif.models.registry import build_fusion_model
from ssvif.ops.color import to_image, to_tensor

CPU = torch.device("cpu")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("inference", INFERENCES)
@torch.no_grad()
def test_images_are_those_of_the_script_bit_for_bit(pairs, tmp_path, monkeypatch, inference, channels):
    """Each pair by itself and whole, as the definition of each script has it."""
    monkeypatch.setattr("ssvif.models.inference.MRFS_SIZE", (90, 110))  # 600×800 would take minutes
    model, source = scatter(build_fusion_model("seafusion", channels)), PairsFile(pairs)
    fuse_packed(pairs, tmp_path / "fused", TorchFuser(deepcopy(model), CPU, inference, channels_last=False))
    expected = {f"{split}/{name}.png": (split, name) for split in source.splits() for name in source.names(split)}
    assert digests_of(tmp_path / "fused").keys() == expected.keys()
    for name, pair in expected.items():
        made = INFERENCES[inference](model, to_tensor(source.visible(*pair)), to_tensor(source.infrared(*pair)))
        assert np.array_equal(read_image(tmp_path / "fused" / name), to_image(made)), name


@pytest.mark.parametrize("broken", [False, True])
def test_what_fails_leaves_what_was_there(pairs, tmp_path, monkeypatch, broken):
    """A network that cannot take the pairs, or a write that fails in its thread."""

    def fail(path, image):
        raise UserError(f"No space left while writing {path}")

    fuse_packed(pairs, tmp_path / "fused", BaselineFuser("average"))
    before = digests_of(tmp_path / "fused")
    if broken:
        monkeypatch.setattr("ssvif.fusing.packed.write_png", fail)
    with pytest.raises(UserError, match="No space left" if broken else r"\w+/\w+ cannot be fused") as caught:
        fuse_packed(pairs, tmp_path / "fused", BaselineFuser("visible") if broken else Refusing())
    assert broken or caught.value.got == "expected more"
    assert digests_of(tmp_path / "fused") == before
    assert [each.name for each in tmp_path.iterdir()] == ["fused"]


def test_equal_input_gives_equal_bytes_in_the_place_of_old_ones(pairs, tmp_path):
    write_png(tmp_path / "second/test/old.png", np.zeros((2, 2), np.uint8))
    for name in ("first", "second"):
        fuse_packed(pairs, tmp_path / name, TorchFuser(scatter(build_fusion_model("seafusion")), CPU))
    assert len(digests_of(tmp_path / "first")) == 10
    assert digests_of(tmp_path / "first") == digests_of(tmp_path / "second")


@pytest.fixture
def fuse(pairs, tmp_path, command):
    """Call the command with packed pairs; return status, errors and the images that it wrote."""

    def call(*arguments):
        out = tmp_path / "_".join(map(str, arguments)).replace("/", "_")
        status, errors = command("--pairs", pairs, "-o", out, "--device", "cpu", *arguments)
        return status, errors, {name: read_image(out / name).astype(int) for name in digests_of(out)}

    return call


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        (("--tile", 32), 0, 1),
        (("--batch", 3), 0, 1),
        (("--precision", "bfloat16"), 1, 12),
        (("--overwrite",), 0, 0),
        (("--color", "ycbcr"), 1, 255),
    ],
)
def test_the_command_takes_the_options_of_other_pairs(fuse, network, options, least, most):
    (_, _, plain), (status, errors, images) = (fuse("--model", network, *each) for each in ((), options))
    assert status == 0, errors
    assert len(plain) == 10
    assert images.keys() == plain.keys()
    assert least <= max(abs(images[name] - plain[name]).max() for name in plain) <= most


def test_the_command_takes_an_exported_network(fuse, network, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="the extra ssvif[onnx] is not installed")
    pytest.importorskip("onnxscript", reason="the extra ssvif[onnx] is not installed")
    cli.app(["export", str(network), "-o", str(tmp_path / "net.onnx")], standalone_mode=False)
    capsys.readouterr()
    (_, _, plain), (status, errors, exported) = (fuse("--model", each) for each in (network, tmp_path / "net.onnx"))
    assert status == 0, errors
    assert max(abs(exported[name] - plain[name]).max() for name in plain) <= 1


PACK = "pass the alignment and the ranges to `ssvif pack`"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--fps 12", PACK),
        ("--infrared-range full", PACK),
        ("--visible-range 0:100", PACK),
        ("--resize error", PACK),
        ("--images . --tile 64", "uses the images unchanged"),
        ("--images . --inference emma", "uses the images unchanged"),
    ],
)
def test_options_that_do_not_fit_are_refused(fuse, options, says):
    status, errors, images = fuse(*options.split())
    assert (status, images) == (1, {})
    assert options.split()[0] in errors.splitlines()[0]
    assert says in errors


def test_changed_code_for_videos_or_networks_makes_no_baseline_again():
    """The workflow compares the code that this module reaches."""
    code = "import sys, ssvif.fusing.packed; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "av", "ssvif.pairs.video", "ssvif.fusing.torch_fuser"}.isdisjoint(done.stdout.split())
