"""A small folder of results for two runs on four pairs, and the dataset they come from."""

from pathlib import Path

import pytest

from report.browsing import make_report, watched_pages
from report.made_results import make_results, make_source
from ssvif.report.pictures import Album, PictureSource
from ssvif.report.runs import RunLabel


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results/ with the scores of the runs `average` and `ours`."""
    return make_results(tmp_path / "results")


@pytest.fixture
def source(tmp_path: Path, results: Path) -> PictureSource:
    """A dataset of four pairs with labels and boxes, and what both runs made of them."""
    return make_source(tmp_path / "data", results)


@pytest.fixture
def album(results: Path, source: PictureSource) -> Album:
    """The pictures of both runs, three pairs of them to show."""
    return Album(results=results / "toy", source=source, runs=[RunLabel("average"), RunLabel("ours")], most=3)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder of a report."""
    return make_report(tmp_path_factory.mktemp("report"))


@pytest.fixture
def show(browser, report):
    """Open a page of the report; at the end nothing was complained about and nothing came from elsewhere."""
    with watched_pages(browser, report) as open_page:
        yield open_page
