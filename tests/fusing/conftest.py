"""What the tests of fusing share: calls of the command, and a network's file."""

import pytest

from reference.networks import scatter
from ssvif.models.registry import build_fusion_model, save_fusion_model


@pytest.fixture
def command(call):
    """Call `ssvif fuse` with arguments; return its status and errors."""

    def call_fuse(*arguments):
        status, output, errors = call("fuse", *arguments)
        assert output == ""
        assert "Traceback" not in errors
        return status, errors

    return call_fuse


@pytest.fixture
def fuse(command):
    """Call `ssvif fuse` for the average."""
    return lambda *arguments: command(*arguments, "--baseline", "average")


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The file of a network with three channels; not to be changed."""
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    save_fusion_model(scatter(build_fusion_model("seafusion", 3)), path, name="seafusion", facts={})
    return path
