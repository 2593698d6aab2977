"""A process that has everything imported and runs commands, and the undisturbed run of all of them."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Commands, contents
from stages import STAGES


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("temporary"))
    yield started
    with suppress(BrokenPipeError):
        started.close()


@dataclass
class Undisturbed:
    """The folder `whole` of a run of all stages; what each of them made, how long it took, and its file operations."""

    folder: Path
    made: dict[str, dict[str, str]]
    took_s: dict[str, float]
    operations: dict[str, int]


@pytest.fixture(scope="session")
def undisturbed(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed") / "whole"
    run = Undisturbed(folder, {}, {}, {})
    before: dict[str, str] = {}
    for name, stage in STAGES.items():
        start = time.monotonic()
        run.operations[name] = commands.run(folder, *stage.arguments).operations
        run.took_s[name] = time.monotonic() - start
        after = contents(folder)
        run.made[name] = {path: digest for path, digest in after.items() if before.get(path) != digest}
        before = after
    return run
