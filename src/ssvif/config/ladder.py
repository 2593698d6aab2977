"""What a ladder declares and which files it needs, from a configuration and its experiments table."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

from ssvif.config.options import to_json
from ssvif.config.plan import Plan
from ssvif.io.errors import UserError
from ssvif.report.ladder.declaration import Declaration, DeclaredArm, check_declaration
from ssvif.schema import RUN_FILES, LadderRole, drop_seed

NO_LADDER = (
    "The configuration has no section `ladder`; one that has: snakemake --cores all ladder --configfile"
    " config/ladder.yaml"
)


def declare(plan: Plan, dataset: str) -> Declaration:
    """Return the ladder of a configuration on one of its datasets, runs whose files are missing included.

    Raises:
        UserError: the configuration declares no ladder or does not judge on the dataset, or its table has no reference,
            no arm or not the inputs named.
    """
    settings = plan.settings.ladder
    if settings is None:
        raise UserError(NO_LADDER)
    if dataset not in plan.settings.datasets:
        raise UserError(
            f"The configuration judges nothing on {dataset!r}",
            expected=" | ".join(plan.settings.datasets),
            remedy="name one of these, or the preset whose `datasets` hold it",
        )
    arms: dict[str, DeclaredArm] = {}
    for run in plan.runs.values():
        name, title = drop_seed(run.name, run.title)
        if run.role:
            new = DeclaredArm(name=name, role=cast(LadderRole, run.role), title=title, note=run.note, runs={})
            arms.setdefault(name, new).runs[run.name.removeprefix(name).removeprefix("_seed")] = run.name
    declaration = Declaration(
        ladder=settings,
        dataset=dataset,
        title=plan.descriptors[dataset].title,
        arms=tuple(arms.values()),
        settings=_digest(plan, dataset),
    )
    check_declaration(declaration, str(plan.settings.experiments))
    return declaration


def _digest(plan: Plan, dataset: str) -> str:
    trained = [run.name for run in plan.runs.values() if run.role and run.kind == "trained"]
    options = [plan.training(name) for name in trained]
    judged = [plan.judge_options(dataset, judge) for judge in plan.judges(dataset)]
    return hashlib.sha256("\n".join(map(to_json, [*options, *judged])).encode()).hexdigest()


def ladder_inputs(plan: Plan, dataset: str) -> list[Path]:
    """Return the files that the ladder reads of the runs that can be made: all their scores, and what training left.

    Raises:
        UserError: as `declare`; or the primary score is left out of the configuration or the dataset lacks labels.
    """
    declaration, files = declare(plan, dataset), []
    judge = declaration.ladder.primary.partition(".")[0]
    for run in plan.shown[dataset]:
        if not run.role:
            continue
        files += plan.score_files(dataset, run.name, set(RUN_FILES))
        if run.kind == "trained":
            folder = plan.run_folder(dataset, run.name)
            files += [folder / name for name in ("history.csv", "gradients.csv", "pseudo_labels")]
    if not any(path.parts[-2:] == Path(RUN_FILES[judge]).parts for path in files):
        raise UserError(
            f"The ladder on {dataset} is decided by {declaration.ladder.primary}, and no run of it is judged so",
            expected=f"`{judge}` in the configuration and annotations for it in the dataset",
            remedy=f"set `{judge}`, or another score as `ladder.primary`",
        )
    return files
