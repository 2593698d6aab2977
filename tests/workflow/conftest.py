from pathlib import Path

import pytest
from workflow_tools import copy_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)
