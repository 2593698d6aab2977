"""What the tests of pairs and fusing share: made pairs, a fuser known in advance, the command in a process."""

import json
import subprocess
import sys

import numpy as np
from PIL import Image

from ssvif.fusing.fuser import MEMORY_BYTES, BaselineFuser, Fuser
from ssvif.io.images import RawImage
from ssvif.pairs.pair import Rules, make_pair

# of an exported network
FACTS = {"channels": 3, "bytes_per_px": 50, "least_px": 3, "reach": {"radius_px": 1, "grid_px": 2}}


def noise(seed, height, width, channels=3, levels=256, dtype=np.uint8):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, levels, shape, dtype)


def smooth(seed, height, width, channels=3):
    """An image with structure of several pixels, as cameras make."""
    small = noise(seed, height // 8 + 2, width // 8 + 2, channels)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def pair_of(height, width, make=noise, name="a", seed=0):
    """A pair of a colored visible and a gray infrared image."""
    infrared = make(seed + 1, height, width, 0)
    return make_pair(name, RawImage(make(seed, height, width)), RawImage(infrared), Rules())


def modules_and_memory(folder, *arguments):
    """Call the command in a process of its own within a folder; return the modules it imported and its peak in kB."""
    code = f"""
import resource, sys
from ssvif.cli import app
sys.argv = {["ssvif", "fuse", *arguments]!r}
try:
    app.main()
except SystemExit as done:
    assert not done.code, done.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak_kb, *modules = done.stdout.split()
    return set(modules), int(peak_kb)


def write_mean(path, metadata=None, last=(), fused_kind=None):
    """An ONNX file that takes the mean of both images, perhaps with a last operation."""
    import onnx

    kind = onnx.TensorProto.FLOAT
    shapes = {"visible": ["b", 3, "h", "w"], "infrared": ["b", 1, "h", "w"], "fused": ["b", 3, "h", "w"]}
    visible, infrared, fused = (onnx.helper.make_tensor_value_info(name, kind, shapes[name]) for name in shapes)
    if last:
        fused = onnx.helper.make_tensor_value_info("fused", fused_kind or kind, None)
    steps = [
        onnx.helper.make_node("Add", ["visible", "infrared"], ["sum"]),
        onnx.helper.make_node("Conv", ["sum", "half"], ["mean" if last else "fused"]),
        *last,
    ]
    half = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32)[..., None, None] / 2, "half")
    graph = onnx.helper.make_graph(steps, "mean", [visible, infrared], [fused], [half])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.helper.set_model_props(model, {"ssvif": json.dumps(FACTS)} if metadata is None else metadata)
    path.write_bytes(model.SerializeToString())
    return path


class Refusing(Fuser):
    """Takes no image."""

    def __call__(self, visible, infrared):
        raise ValueError("expected more")


class Recorder(BaselineFuser):
    """Averages, and remembers the shapes it was given."""

    def __init__(self, batch=1, memory=MEMORY_BYTES, reach=BaselineFuser.reach):
        super().__init__("average")
        self.batch, self.memory_bytes, self.reach, self.shapes = batch, memory, reach, []

    def __call__(self, visible, infrared):
        self.shapes.append(visible.shape[:3])
        return super().__call__(visible, infrared)
