"""Which files a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ssvif.config.runs import Run
from ssvif.config.settings import Settings
from ssvif.data.descriptor import Descriptor
from ssvif.io.errors import UserError


def check_tables(settings: Settings, runs: Iterable[Run], known: Iterable[str]) -> None:
    """Check that the tables which runs and the configuration name exist.

    Args:
        settings: the configuration.
        runs: of its experiments table.
        known: the tables there are.

    Raises:
        UserError: a run or the configuration names another.
    """
    tables = list(known)
    named = {table: f"{settings.experiments}, run {run.name!r}" for run in runs for table in run.tables}
    named |= dict.fromkeys(settings.tables, "`tables` in the configuration")
    if unknown := sorted(set(named) - set(tables)):
        raise UserError(
            f"{named[unknown[0]]}: there is no table {unknown[0]!r}",
            expected=" | ".join(tables),
            remedy="config/published/tables.yaml holds the tables",
        )


def locate(run: Run, settings: Settings, descriptor: Descriptor) -> Run:
    """Return a run for one dataset, with the paths of its images or checkpoint written out."""
    return run.located(dataset=descriptor.name, folder=descriptor.folder, data_root=settings.data_root)


def missing_files(
    settings: Settings, runs: Iterable[Run], descriptors: Mapping[str, Descriptor]
) -> dict[tuple[str, str], str]:
    """Return the released checkpoints and folders of images that runs name and that are not there.

    Nobody has all of them, so this is no error: such a run is left out where it lacks them, and that is told.

    Args:
        settings: the configuration.
        runs: of its experiments table.
        descriptors: by the datasets' names.

    Returns:
        (dataset, run) to the path that does not exist.
    """
    sources = {
        (name, run.name): locate(run, settings, descriptor).source
        for run in runs
        for name, descriptor in descriptors.items()
    }
    return {key: source for key, source in sources.items() if source and not Path(source).exists()}
