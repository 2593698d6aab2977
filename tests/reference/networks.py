"""Weights and images by formula, so that a network's output can be written down."""

import torch


def draw(channels, height, width, batch=1):
    """Two images of smooth waves, in [0,1]."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    phases = torch.arange(float(batch * channels)).view(batch, channels, 1, 1)
    visible = torch.sin(rows / 5 + phases) * torch.cos(columns / 7)
    return visible / 2 + 0.5, (torch.sin((rows + columns) / 6) / 2 + 0.5).expand_as(visible)


def scatter(model):
    """Give every weight a value that follows from its place and looks drawn at random: deep networks need that.

    The values of norms and scales lie about one.
    """
    with torch.no_grad():
        for number, (name, parameter) in enumerate(model.named_parameters()):
            places = torch.arange(parameter.numel(), dtype=torch.float64)
            fraction = (torch.sin(places * 12.9898 + number * 78.233) * 43758.5453) % 1
            size = (3 / parameter[0].numel()) ** 0.5 if parameter.ndim == 4 else 0.3
            center = 1.0 if name.endswith(("norm.weight", "scale")) else 0.0
            parameter.copy_(center + size * (2 * fraction - 1).view_as(parameter))
    return model.eval()
