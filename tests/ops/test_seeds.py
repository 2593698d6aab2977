import os

import torch
from hypothesis import given
from hypothesis import strategies as st

from ssvif.ops.seeds import derive_seed, generator, make_deterministic, seed_torch

PARTS = st.lists(st.integers(0, 99) | st.sampled_from(("epoch", "order", "pairs")), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_parts_decide_the_seed(first, second):
    assert 0 <= derive_seed(*first) < 2**63
    assert (derive_seed(*first) == derive_seed(*second)) == (first == second)


def test_seeds_are_the_same_on_every_machine():
    """Half of the first 8 bytes of SHA-256("0/epoch/7"), as sha256sum prints them."""
    assert derive_seed(0, "epoch", 7) == 0x7C263A9E0CAE4FB3 // 2


def test_draws_follow_the_parts():
    seed_torch(1, "epoch", 2)
    first = torch.rand(3)
    seed_torch(1, "epoch", 3)
    assert not torch.equal(torch.rand(3), first)
    seed_torch(1, "epoch", 2)
    assert torch.equal(torch.rand(3), first)


def test_a_generator_is_of_its_own():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first = torch.rand(3, generator=generator(1, "order"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(torch.rand(3, generator=generator(1, "order")), first)
    assert not torch.equal(torch.rand(3, generator=generator(2, "order")), first)


def test_deterministic_kernels_are_asked_for_on_a_gpu(monkeypatch):
    asked = []
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda mode, **more: asked.append((mode, more)))
    make_deterministic(torch.device("cpu"))
    assert asked == []
    make_deterministic(torch.device("cuda", 0))
    assert asked == [(True, {"warn_only": True})]
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
