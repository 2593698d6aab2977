import functools

import pytest
from made_dataset import make_pairs

from reference.images import natural_triple, write_triples


@pytest.fixture
def make_dataset(tmp_path):
    """Return `make_pairs` for a folder of the test's own."""
    (tmp_path / "dataset").mkdir()
    return functools.partial(make_pairs, tmp_path / "dataset")


@pytest.fixture(scope="session")
def triples():
    """A visible, an infrared and a fused image, by name: one large enough for every metric, one not."""
    return {name: natural_triple(*size, seed=7) for name, size in (("b_small", (70, 64)), ("a_large", (161, 170)))}


@pytest.fixture
def folders(tmp_path, triples):
    """The folders of visible, infrared and fused images."""
    return write_triples(tmp_path, triples)
