import pytest
import torch

from reference.images import as_tensor, natural_triple


@pytest.fixture(scope="session")
def batch():
    """Three triples of 176×163 images as (3,C,H,W) tensors: visible RGB, infrared gray, fused RGB."""
    triples = [[as_tensor(each) for each in natural_triple(176, 163, seed)] for seed in range(3)]
    return tuple(torch.cat(each) for each in zip(*triples, strict=True))
