from pathlib import Path

import pytest
from workflow_tools import check_out, copy_project, run_snakemake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a tiny configuration in which the whole workflow has run, offline; left as it is found."""
    project = check_out(tmp_path_factory.mktemp("finished") / "project")
    run_snakemake(project, "--cores", "2")
    return project
