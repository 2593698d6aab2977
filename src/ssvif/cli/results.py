"""The verbs that show results: tables, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import Output, Results, Runs, SettingsText, parse_pair, read_descriptor

if TYPE_CHECKING:
    from ssvif.training.options import TrainingOptions


def tables(
    results: Results,
    output: Output,
    runs: Runs,
    titles: Annotated[list[str] | None, typer.Option("--title", help="DATASET=Title; may be repeated.")] = None,
    published: Annotated[Path | None, typer.Option(help="Folder of the paper's numbers.")] = None,
) -> None:
    """Gather the scores of many runs into tables: CSV, Markdown, LaTeX."""
    from ssvif.report.runs import parse_runs
    from ssvif.report.tables import make_tables

    named = dict(parse_pair(each, "DATASET=Title") for each in titles or [])
    for path in make_tables(results, output, parse_runs(runs), published=published, titles=named):
        typer.echo(path)


def report(
    results: Results,
    tables: Annotated[Path, typer.Option(help="The folder of `ssvif tables`.")],
    output: Output,
    runs: Runs,
    sources: Annotated[list[str], typer.Option("--source", help="DATASET=FOLDER of its own pictures; repeatable.")],
    datasets: Annotated[Path, typer.Option(help="Folder of the dataset descriptors.")] = Path("config/datasets"),
    title: Annotated[str, typer.Option(help="Headline of the page.")] = "SSVIF",
    pairs: Annotated[int, typer.Option(help="Test pairs to show of each dataset.", min=0)] = 12,
    settings: SettingsText = "",
    command: Annotated[list[str] | None, typer.Option(help="A command that makes it all again; repeatable.")] = None,
) -> None:
    """Make the page: tables, curves and pictures of every run."""
    from ssvif.config.options import parse_options
    from ssvif.report.page import make_page
    from ssvif.report.pictures import Source
    from ssvif.report.runs import parse_runs
    from ssvif.training.options import ASSUMED, ASSUMED_CONSTANTS, TrainingOptions

    options = parse_options(TrainingOptions(), settings)
    folders = dict(parse_pair(each, "DATASET=FOLDER") for each in sources)
    page = make_page(
        results,
        tables,
        output,
        parse_runs(runs),
        sources={
            name: Source(
                descriptor=read_descriptor(datasets / f"{name}.yaml"),
                splits=results / name / "data/splits.csv",
                root=Path(folder),
            )
            for name, folder in folders.items()
        },
        title=title,
        assumed={name: _assumption(options, name, reason) for name, reason in ASSUMED.items()} | ASSUMED_CONSTANTS,
        reproduce=command or [],
        most_pairs=pairs,
    )
    typer.echo(page)


def _assumption(options: TrainingOptions, name: str, reason: str) -> str:
    used, default = getattr(options, name), getattr(type(options)(), name)
    # the reason speaks for the default; a configuration's own value must not pass for it
    return f"{used} ({reason})" if used == default else f"{used}, set here; otherwise {default} ({reason})"
