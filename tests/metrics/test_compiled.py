"""Kernels are kept where they can be, and threads may share them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ssvif.metrics.collection import evaluate

FILTER = """
import sys, numpy as np
import logging; logging.basicConfig(level="INFO", stream=sys.stdout)
from ssvif.metrics import compiled
filtered = np.empty((1, 1, 1))
compiled.filter_images(np.ones((1, 3, 3)), np.full(3, 1 / 3), 1, filtered)
print(round(filtered.item(), 12), sum(compiled.filter_images.stats.cache_hits.values()))
"""


REFUSED = """
import numba
njit = numba.njit

def refusing(*arguments, cache=False, **options):
    if cache:
        raise RuntimeError("cannot cache function")
    return njit(*arguments, **options)

numba.njit = refusing
"""


def run(cache, code=FILTER):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_kept_in_the_folder_named(tmp_path):
    assert run(tmp_path) == ["1.0 0"]
    assert list(tmp_path.rglob("*.nbc"))
    assert run(tmp_path) == ["1.0 1"]


def test_does_without_a_place_to_keep_anything_and_says_so_once(tmp_path):
    message, result = run(tmp_path, REFUSED + FILTER)
    assert "NUMBA_CACHE_DIR" in message
    assert result == "1.0 0"


@pytest.mark.parametrize("name", ["vif", "ssim255", "ms_ssim"])
def test_threads_do_not_disturb_each_other(batch, name):
    expected = evaluate(*batch, [name])[name]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: evaluate(*batch, [name])[name], range(12)):
            assert torch.equal(found, expected)


def test_nothing_is_compiled_or_imported_before_it_is_needed():
    code = "import sys, ssvif.metrics.collection; assert not {'numba', 'ssvif.metrics.compiled'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
