"""The verbs that show results: tables, compare, figures, report, ladder."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssvif.cli.arguments import Output, Results, Runs, SettingsText, parse_pair
from ssvif.io.errors import UserError

if TYPE_CHECKING:
    from ssvif.report.pictures import PictureSource
    from ssvif.training.options import TrainingOptions

log = logging.getLogger("ssvif")
NETWORK = "DATASET/RUN=MODEL/CHANNELS"
Texts = list[str] | None
Sources = Annotated[list[str], typer.Option("--source", help="DATASET=FOLDER of the original images; may be repeated.")]
Datasets = Annotated[Path, typer.Option(help="Folder of the dataset descriptors.")]


def tables(
    results: Results,
    output: Output,
    runs: Annotated[
        Texts,
        typer.Option("--run", help="DATASET/RUN or DATASET/RUN=Title; may be repeated; required without --table."),
    ] = None,
    titles: Annotated[
        Texts, typer.Option("--title", help="DATASET=Title, of Table IV MODEL/CHANNELS=Title; may be repeated.")
    ] = None,
    published: Annotated[Path | None, typer.Option(help="Folder of the paper's numbers, to make its tables.")] = None,
    table: Annotated[Texts, typer.Option(help="Make only this table of the paper, 1 to 9; may be repeated.")] = None,
) -> None:
    """Collect the scores of runs in tables: CSV, Markdown and LaTeX; the paper's tables also in HTML."""
    from ssvif.report.runs import parse_runs
    from ssvif.report.tables import make_tables

    shown, named = parse_runs(runs or []), dict(parse_pair(each, "DATASET=Title") for each in titles or [])
    if not (shown or table):
        raise UserError("ssvif tables needs at least one --run")
    written = make_tables(results, output, shown, titles=named) if not table else []
    if published or table:
        from ssvif.config.files import load_sheet_specs
        from ssvif.report.paper_tables import make_sheets

        folder = published or Path("config/published")
        if not (folder / "tables.yaml").is_file():
            raise UserError(
                f"{folder} does not hold the paper's numbers",
                expected="tables.yaml, which says what the tables hold, and CSV files of numbers",
                remedy="run this in the project's folder, or pass its config/published as --published",
            )
        for dataset, labels in shown.items():
            for lost in (path for run in labels if not (path := results / dataset / run.name).is_dir()):
                log.warning("%s does not exist: its row stays empty", lost)
        specs = load_sheet_specs(folder / "tables.yaml")
        written += make_sheets(results, output, shown, specs=specs, published=folder, tables=table or [], titles=named)
    for path in written:
        typer.echo(path)


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Folders of runs, results/DATASET/RUN, or files of `ssvif score`."),
    ],
) -> None:
    """Compare runs of one dataset with the first: means, paired differences, intervals, p-values, mIoU and mAP."""
    from ssvif.report.compare import compare_runs

    typer.echo(compare_runs(runs))


def figures(
    results: Results,
    output: Output,
    runs: Runs,
    sources: Sources,
    datasets: Datasets = Path("config/datasets"),
    pairs: Annotated[int, typer.Option(help="Number of test pairs in a figure, evenly spaced.", min=0)] = 3,
    pair: Annotated[Texts, typer.Option(help="DATASET/PAIR to show instead; may be repeated.")] = None,
    metric: Annotated[str, typer.Option(help="Fusion metric that the bubble diagram shows besides mIoU.")] = "vif",
    efficiency: Annotated[Path | None, typer.Option(help="CSV of costs; default: RESULTS/efficiency.csv.")] = None,
    network: Annotated[Texts, typer.Option(help=f"{NETWORK}: network of a run, for its cost; may be repeated.")] = None,
) -> None:
    """Draw figures for a paper as PNG and PDF: images side by side, curves, gradients and costs."""
    from ssvif.report.figures.make import make_figures
    from ssvif.report.runs import parse_runs

    chosen = {dataset: [run.name for run in named] for dataset, named in parse_runs(pair or []).items()}
    written = make_figures(
        results,
        output,
        parse_runs(runs),
        sources=_read_sources(sources, results, datasets),
        efficiency=efficiency or results / "efficiency.csv",
        pairs=pairs,
        chosen=chosen,
        metric=metric,
        networks=dict(map(_read_network, network or [])),
    )
    for path in written:
        typer.echo(path)


def report(
    results: Results,
    tables: Annotated[Path, typer.Option(help="Output folder of `ssvif tables`.")],
    output: Output,
    runs: Runs,
    sources: Sources,
    datasets: Datasets = Path("config/datasets"),
    title: Annotated[str, typer.Option(help="Title of the page.")] = "SSVIF",
    pairs: Annotated[int, typer.Option(help="Number of test pairs in a gallery, evenly spaced; 0: all.", min=0)] = 0,
    figures: Annotated[Path | None, typer.Option(help="Output folder of `ssvif figures`.")] = None,
    table: Annotated[Texts, typer.Option(help="Show this table of the paper; may be repeated; default: all.")] = None,
    settings: SettingsText = "",
    command: Annotated[Texts, typer.Option(help="Command that reproduces the results; may be repeated.")] = None,
) -> None:
    """Make the report: overview, tables, a gallery of every test pair, and a page for every run."""
    from ssvif.config.options import parse_options
    from ssvif.report.page.site import make_page
    from ssvif.report.runs import parse_runs
    from ssvif.training.assumed import ASSUMED, ASSUMED_CONSTANTS
    from ssvif.training.options import TrainingOptions

    options = parse_options(TrainingOptions(), settings)
    page = make_page(
        results,
        tables,
        output,
        parse_runs(runs),
        sources=_read_sources(sources, results, datasets),
        title=title,
        assumed={name: _assumption(options, name, reason) for name, reason in ASSUMED.items()} | ASSUMED_CONSTANTS,
        reproduce=command or [],
        most_pairs=pairs,
        figures=figures,
        sheets=table or [],
    )
    typer.echo(page)


def ladder(
    results: Results,
    output: Output,
    config: Annotated[Path, typer.Option(help="Configuration with a section `ladder`.")] = Path("config/ladder.yaml"),
    preset: Annotated[str, typer.Option(help="Preset of the configuration, as `snakemake ladder` was given.")] = "",
    dataset: Annotated[str, typer.Option(help="Dataset to compare on; default: the configuration's first.")] = "",
    declaration: Annotated[
        str, typer.Option(help="The ladder as JSON, as `snakemake ladder` passes it; instead of a configuration.")
    ] = "",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Show images of the dataset, with their pseudo labels.")
    ] = True,
) -> None:
    """Compare the arms of a ladder with its reference and its controls: results.md, CSV and a figure."""
    from ssvif.report.ladder.declaration import read_declaration
    from ssvif.report.ladder.make import make_ladder

    if declaration:
        declared = read_declaration(declaration)
    else:
        from ssvif.config.files import read_yaml
        from ssvif.config.ladder import declare
        from ssvif.config.plan import Plan

        plan = Plan.load(read_yaml(config) | ({"preset": preset} if preset else {}), source=str(config))
        declared = declare(plan, dataset or plan.settings.datasets[0])
    typer.echo(make_ladder(results, declared, output, pictures=pictures))


def _read_sources(texts: list[str], results: Path, datasets: Path) -> dict[str, PictureSource]:
    from ssvif.config.files import load_descriptor
    from ssvif.report.pictures import PictureSource

    found = {}
    for name, folder in (parse_pair(each, "DATASET=FOLDER") for each in texts):
        descriptor, splits = load_descriptor(datasets / f"{name}.yaml"), results / name / "data/splits.csv"
        found[name] = PictureSource(descriptor=descriptor, splits=splits, root=Path(folder))
    return found


def _read_network(text: str) -> tuple[tuple[str, str], str]:
    if not (found := re.fullmatch(r"([^/=]+)/([^=]+)=(.+)/(\d{1,9})", text)):
        raise UserError(f"{text!r} is not {NETWORK}")
    return (found[1], found[2]), f"{found[3]} {int(found[4])}"


def _assumption(options: TrainingOptions, name: str, reason: str) -> str:
    used, default = getattr(options, name), getattr(type(options)(), name)
    # the reason speaks for the default; a configuration's own value must not pass for it
    return f"{used} ({reason})" if used == default else f"{used}, set here; otherwise {default} ({reason})"
