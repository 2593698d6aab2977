"""Kernels are kept where they can be, and threads may share them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ssvif.metrics import compiled
from ssvif.metrics.collection import evaluate

FILTER = """
import sys, numpy as np
import logging; logging.basicConfig(level="INFO", stream=sys.stdout)
from ssvif.metrics import compiled
filtered = np.empty((1, 1, 1))
compiled.filter_images(np.ones((1, 3, 3)), np.full(3, 1 / 3), 1, filtered)
print(round(filtered.item(), 12), sum(compiled.filter_images.stats.cache_hits.values()))
"""


def run(cache):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run([sys.executable, "-c", FILTER], env=environment, capture_output=True, text=True, check=True)


def test_kept_in_the_folder_named(tmp_path):
    assert run(tmp_path).stdout.split() == ["1.0", "0"]
    assert list(tmp_path.rglob("*.nbc"))
    assert run(tmp_path).stdout.split() == ["1.0", "1"]


def test_does_without_a_place_to_keep_anything(monkeypatch, caplog):
    def refusing(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function")
        return lambda function: function

    def kernel():
        return 1

    monkeypatch.setattr(compiled, "njit", refusing)
    compiled._say_that_nothing_is_kept.cache_clear()
    caplog.set_level("INFO", "ssvif")
    assert compiled._compiled(kernel) is compiled._compiled(kernel) is kernel
    assert [each.getMessage() for each in caplog.records if "NUMBA_CACHE_DIR" in each.getMessage()] != []
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["vif", "ssim255", "ms_ssim"])
def test_threads_do_not_disturb_each_other(batch, name):
    expected = evaluate(*batch, [name])[name]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: evaluate(*batch, [name])[name], range(12)):
            assert torch.equal(found, expected)


def test_nothing_is_compiled_or_imported_before_it_is_needed():
    code = "import sys, ssvif.metrics.collection; assert not {'numba', 'ssvif.metrics.compiled'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
