"""The `ssvif` command: parse, call, print. Everything heavy is imported inside the verb that needs it."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ssvif.cli import data, fusing, networks, planning, results, scores
from ssvif.cli.arguments import with_claim
from ssvif.cli.interrupts import interruptible
from ssvif.io.errors import UserError, name_extra
from ssvif.io.launch import let_the_first_speak

VERBS = (
    data.scenes,
    data.check,
    data.align,
    data.split,
    data.pack,
    networks.stage_one,
    networks.train,
    fusing.fuse,
    fusing.app,
    networks.export,
    networks.complexity,
    networks.models,
    scores.score,
    scores.probe,
    scores.segment,
    scores.detect,
    results.tables,
    results.compare,
    results.figures,
    results.report,
    results.ladder,
    planning.plan,
    planning.doctor,
)

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="ssvif",
    context_settings=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes as long to import as the rest of the help
)
HOME = re.compile(r"^((?:--[\w-]+=)?)~(?=/)")  # which no shell writes out in --output=~/x
# errors of torch, its convolutions (oneDNN), CUDA and the system
NO_MEMORY = re.compile("allocate memory|out of memory|could not create a primitive$|start new thread")
for verb in VERBS:
    # several processes of a workflow make their tables in one folder, each whole
    app.command(context_settings=HELP)(verb if verb is results.tables else with_claim(verb))


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ssvif {version('ssvif')}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Visible and infrared image fusion: train, fuse, evaluate, report."""


def _has_no_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def main() -> None:
    """Run the command; what the user can fix is printed without a traceback, exit status 1.

    A command that is ended by SIGINT or SIGTERM cleans up, says how to go on, and exits with status 130 or 143.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("ssvif").setLevel(logging.INFO)
    # these messages name no file; our own errors do
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="PIL")
    try:
        with interruptible():
            app([HOME.sub(lambda found: found[1] + str(Path.home()), each) for each in sys.argv[1:]])
    except (UserError, ModuleNotFoundError) as error:
        told = error if isinstance(error, UserError) else name_extra(error)
        let_the_first_speak()
        typer.echo(f"ssvif: {told}", err=True)
        raise SystemExit(1) from None
    except (MemoryError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            what, got = f"{error.filename}: {error.strerror}", ""
            remedy = "check that it is there and may be read, or that its folder may be written to; or name another"
        elif isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            what, got = "There is not enough memory", str(error).partition("\n")[0]
            remedy = "end other processes, or set a smaller `batch_size` or `--tile`"
        elif _has_no_folder():
            what, got, remedy = "The current folder has been deleted", "", "change to another one"
        else:
            raise
        let_the_first_speak()
        typer.echo(f"ssvif: {UserError(what, got=got, remedy=remedy)}", err=True)
        raise SystemExit(1) from None
