"""A small folder of results for two runs on four pairs, and the dataset they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from report.made_results import make_results, make_source
from ssvif.report.pictures import Source


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results/ with the scores of the runs `average` and `ours`."""
    return make_results(tmp_path / "results")


@pytest.fixture
def source(tmp_path: Path, results: Path) -> Source:
    """A dataset of four pairs with labels and boxes, and what both runs made of them."""
    return make_source(tmp_path / "data", results)
