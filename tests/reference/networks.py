"""Networks to be compared: weights and images by formula, or as an original had them, and what their layers give."""

from contextlib import contextmanager

import torch
from safetensors.torch import load_file

from ssvif.models.published import load_published


def draw(channels, height, width, batch=1):
    """Two images of smooth waves, in [0,1]."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    phases = torch.arange(float(batch * channels)).view(batch, channels, 1, 1)
    visible = torch.sin(rows / 5 + phases) * torch.cos(columns / 7)
    return visible / 2 + 0.5, (torch.sin((rows + columns) / 6) / 2 + 0.5).expand_as(visible)


def scatter(model):
    """Give every weight a value that follows from its place and looks drawn at random: deep networks need that.

    The values of norms and scales lie about one; what is to be an exponent is small.
    """
    norms = {f"{name}.weight" for name, each in model.named_modules() if isinstance(each, torch.nn.BatchNorm2d)}
    with torch.no_grad():
        for number, (name, parameter) in enumerate(model.named_parameters()):
            places = torch.arange(parameter.numel(), dtype=torch.float64)
            fraction = (torch.sin(places * 12.9898 + number * 78.233) * 43758.5453) % 1
            size = (3 / parameter[0].numel()) ** 0.5 if parameter.ndim == 4 else 0.3
            size *= 0.5 if "exponent" in name else 0.1 if "context" in name else 1
            center = 1.0 if name in norms or name.endswith(("norm.weight", "scale")) else 0.0
            parameter.copy_(center + size * (2 * fraction - 1).view_as(parameter))
    return model.eval()


def load_parity(shared, file, name):
    """Return a network with an original's weights, and all that was kept of the original."""
    stored = load_file(shared / "parity" / f"{file}.safetensors")
    weights = {key.removeprefix("weights/"): each for key, each in stored.items() if key.startswith("weights/")}
    return load_published(name, weights), stored


@contextmanager
def watched(layers):
    """Within the block, keep what layers give: name → results, call by call."""
    made = {name: [] for name in layers}
    handles = [
        layer.register_forward_hook(lambda _, given, found, kept=made[name]: kept.append(found))
        for name, layer in layers.items()
    ]
    try:
        yield made
    finally:
        for handle in handles:
            handle.remove()
