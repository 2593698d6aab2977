"""Networks in a program of somebody else's: as plain modules, and through torch.hub."""

import subprocess
import sys
from pathlib import Path

import torch

from ssvif.models import load_fusion_model
from ssvif.models.names import packaged_model
from ssvif.schema import FUSION_MODELS

CLONE = Path(__file__).parents[2]


def test_a_network_is_a_plain_module():
    code = """
import sys
from torch import nn
from ssvif.models import load_fusion_model
network = load_fusion_model("fast")
assert isinstance(network, nn.Module)
parts = {name.split(".")[1] for name in sys.modules if name.startswith("ssvif.")}
assert parts == {"io", "models", "ops", "schema"}, parts
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    network = load_fusion_model("fast")
    infrared = torch.rand(2, 3, 17, 23, requires_grad=True)
    before = torch.nn.Conv2d(3, 3, 1)
    network(before(torch.rand(2, 3, 17, 23)), infrared).mean().backward()
    assert infrared.grad is not None
    assert all(each.grad is not None for each in [*before.parameters(), *network.parameters()])


def test_torch_hub_loads_networks_of_a_clone_that_is_not_installed(tmp_path):
    """Python without site-packages of this project, in another folder; nothing is looked up."""
    code = f"""
import socket, sys, torch
socket.socket.connect = None
sys.path = [each for each in sys.path if not each.endswith("src")]
hub = lambda *given, **options: torch.hub.load({str(CLONE)!r}, *given, source="local", **options)
fast, accurate = hub("fast"), hub("accurate")
assert sys.modules["ssvif"].__file__.startswith({str(CLONE)!r})
again = hub("trained", {str(packaged_model())!r})
pair = torch.rand(2, 1, 3, 17, 23)
torch.testing.assert_close(again(*pair), fast(*pair), rtol=0, atol=0)
assert accurate(*pair).shape == pair[0].shape
for name in {list(FUSION_MODELS)}:
    network = hub(name, channels=1)
    assert isinstance(network, torch.nn.Module) and network.channels == 1 and network.training, name
torch.save({{}}, "net.pth")
try:
    hub("released", "emma", "net.pth")
except sys.modules["ssvif"].UserError as error:
    assert "net.pth" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
