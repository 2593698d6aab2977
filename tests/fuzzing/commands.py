"""The command as a shell calls it, of any arguments, and on files of any names."""

import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from random import Random

import typer.main

from fuzzing import samples
from fuzzing.mutations import TOKENS, mutate_text
from ssvif.cli import app as cli
from ssvif.io.errors import UserError

typer.main.get_command = cache(typer.main.get_command)  # the same for each call, and most of its time


def attempt(*calls: Callable[[], object]) -> None:
    """Make every call; raise the last `UserError`, after all were made."""
    refusal = None
    for call in calls:
        try:
            call()
        except UserError as error:
            refusal = error
    if refusal:
        raise refusal


def ssvif(*arguments: object) -> None:
    """Call the command as a shell would, on a terminal that takes UTF-8 alone; a refusal is a `UserError`."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
    sys.argv = ["ssvif", *map(str, arguments)]
    with redirect_stdout(output), redirect_stderr(errors), warnings.catch_warnings():
        try:
            cli.main()
        except SystemExit as done:
            errors.flush()
            told = errors.buffer.getvalue().decode()
            if "Traceback" in told:
                raise AssertionError(told) from done
            if done.code:
                raise UserError(told) from done


STRANGE = (
    *("-rf", "--help", "a\nb", "a\tb", "a b", "é", "e\u0301", "a\udcff", "x" * 250, "[a]", "*", "{name}", "; touch x"),
    *("$(touch x)", "\x1b[2J", ".a", "a..", "'", '"', "a,b", "#a", "=1+1", "\u202e", "\r"),
)


def make_names(folder: Path) -> Iterable[Path]:
    """Write a list of names, and an image."""
    samples.write_images(folder)
    (folder / "names.json").write_text('["a", "b"]')
    return [folder / "names.json"]


def mutate_names(random: Random, path: Path) -> None:
    """Choose names of files."""
    ends = ("", "", *STRANGE)
    path.write_text(json.dumps([random.choice(STRANGE) + random.choice(ends) for _ in range(3)]))


def use_names(path: Path) -> None:
    """Check, fuse and score folders of files with strange names, and a file alone."""
    root, fused = path.parent / "named", ("--baseline", "average")
    shutil.rmtree(root, ignore_errors=True)
    for side in PAIR:
        (root / side).mkdir(parents=True)
        for name in json.loads(path.read_text()):
            if len(os.fsencode(name)) < 250:
                shutil.copy(path.parent / "color.png", root / side / f"{name}.png")
    os.chdir(root)
    with suppress(UserError):  # the images are noise
        ssvif("check", ".", "--quick", "--fix-list", "good.csv", "--output", "found.csv")
    score = "--visible vi --infrared ir --fused fused --output s.csv --metrics en --workers 1"
    attempt(
        lambda: ssvif("fuse", "vi", "ir", "-o", "fused", *fused),
        lambda: ssvif("score", *score.split()),
        lambda: ssvif("fuse", *(next(Path(side).iterdir()) for side in PAIR), "-o", "-rf.png", *fused),
    )


PAIR = ("vi", "ir")
COMMANDS = {
    "check": "--visible vi --infrared ir",
    "fuse": "vi ir --output out --baseline average",
    "align": "--visible vi --infrared ir --output out.json",
    "split": "--dataset tiny.yaml --data-root . --output out.csv",
    "pack": "--dataset tiny.yaml --data-root . --splits splits.csv --output out.h5",
    "score": "--fused vi --visible vi --infrared ir --output out.csv --metrics en --workers 1",
    "tables": "--results . --output out --run toy/a",
    "compare": "toy/a toy/b",
    "ladder": "--results . --output out",
    "report": "--results . --tables . --output out --run toy/a --source toy=.",
    "figures": "--results . --output out --run toy/a --source toy=.",
    **dict.fromkeys(("segment", "detect", "probe"), "--pairs none.h5 --fused vi --output out"),
    "train": "--pairs none.h5 --output out",
}
TAKEN = {"output", "fix_list", "picture", "state", "overwrite", "help", "workers", "threads"}  # whatever they are
RELATIVE = [token for token in TOKENS if not token.startswith((".", "/", "~"))]
VALID = ("1", "0:1", "0.5", "a=b", '{"epochs": 1}', "epochs=1", "vi", "number", "time", "auto")
VALID += ("train=²", "train=" + "9" * 5000)


def mutate_command(random: Random, path: Path) -> None:
    """Choose a verb, replace one of its arguments and add options of any value."""
    verb = random.choice([*COMMANDS])
    given = COMMANDS[verb].split()
    at = random.randrange(len(given))
    if "--output" not in given[max(at - 1, 0) : at + 1] and random.random() < 0.5:
        given[at] = mutate_text(random, given[at], RELATIVE)
    known = typer.main.get_command(cli.app).commands[verb].params
    options = [each for each in known if each.name not in TAKEN and each.opts[0][0] == "-"]
    for option in random.choices(options, k=random.choice((0, 1, 1, 2))) if options else ():
        given.append(option.opts[0])
        if not getattr(option, "is_flag", False):
            given.append(random.choice((*RELATIVE, *VALID, *VALID)))
    path.write_text(json.dumps([verb, *given]))


def use_command(path: Path) -> None:
    """Call the command, in a folder of pairs."""
    os.chdir(path.parent)
    shutil.rmtree("out", ignore_errors=True)
    arguments = json.loads(path.read_text())
    if not any("\0" in each for each in arguments):  # which no shell passes on
        ssvif(*arguments)


def make_commands(folder: Path) -> Iterable[Path]:
    """Write pairs for commands."""
    samples.write_dataset(folder)
    for side in PAIR:
        shutil.copytree(folder / "tiny/train" / side, folder / side)
    samples.write_images(folder)
    (folder / "arguments.json").write_text(json.dumps(["split", *COMMANDS["split"].split()]))
    return [folder / "arguments.json"]
