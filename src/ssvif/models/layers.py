"""Layers shared by several networks."""

from functools import partial

from torch import nn

conv3x3 = partial(nn.Conv2d, kernel_size=3, padding=1)  # with bias; keeps H×W, padding with zeros
