"""What a ladder of experiments declares before it is run, as data. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ssvif.io.errors import UserError
from ssvif.io.validation import PositiveFloat, invalid
from ssvif.schema import LadderRole, LadderScore


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class LadderSettings:
    """How the arms of a ladder are compared: declared in the configuration before they are run."""

    primary: LadderScore = Field(default="probe.mean_ap", description="score that the ladder decides by, JUDGE.METRIC")
    margin: PositiveFloat = Field(
        default=0.5, description="smallest difference of interest, in the unit of the score's table (points of percent)"
    )
    level: float = Field(
        default=0.05, gt=0, lt=0.5, description="of the tests; Holm's correction covers the runs of the role `arm`"
    )
    order: list[list[str]] = Field(
        default_factory=list,
        description="runs of the role `input` as a judge that sees orders them, worst first: [[visible, infrared],"
        " [average]] says that both single images score below the average",
    )
    remarks: list[str] = Field(
        default_factory=list,
        description="what a reader should know of how the settings were chosen: sentences among the limits of the"
        " result, no part of what is declared",
    )


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class DeclaredArm:
    """One row of the experiments table that has a role in the ladder."""

    name: str  # of the row
    role: LadderRole
    title: str
    note: str = ""  # what it is, for the table of arms
    runs: dict[str, str]  # seed to the name of its run; "" where the row has no seeds


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class Declaration:
    """A ladder on one dataset: its settings and all of its arms, those whose files are missing too."""

    ladder: LadderSettings
    dataset: str  # on which the runs are judged
    title: str  # of the dataset
    arms: tuple[DeclaredArm, ...]
    settings: str = ""  # SHA-256 of the settings with which the arms are trained and judged

    def to_json(self) -> str:
        """Return the declaration as one line of JSON, as `read_declaration` takes it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """The first 12 digits of the SHA-256 of the JSON without the remarks: equal for equal declarations."""
        values = asdict(self)
        del values["ladder"]["remarks"]
        return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:12]


def read_declaration(text: str) -> Declaration:
    """Read a declaration from JSON.

    Raises:
        UserError: it is no JSON, a key is unknown or a value is wrong.
    """
    try:
        return TypeAdapter(Declaration).validate_json(text)
    except ValidationError as error:
        what = "--declaration is not a ladder's declaration"
        raise invalid(what, error, remedy="`snakemake ladder` passes one") from error


def check_declaration(declaration: Declaration, source: str) -> None:
    """Check that there is something to compare, and that the declared order names inputs; `source` is for messages.

    Raises:
        UserError: there is not exactly one reference, no arm, or an unknown run in the order.
    """
    found = [arm.name for arm in declaration.arms if arm.role == "reference"]
    if len(found) != 1:
        raise UserError(
            f"{source}: a ladder needs one reference to compare with",
            expected="one row with `reference` in the column `role`",
            got=", ".join(found) or "none",
        )
    if not any(arm.role == "arm" for arm in declaration.arms):
        raise UserError(f"{source}: a ladder needs rows with `arm` in the column `role`")
    inputs = [arm.name for arm in declaration.arms if arm.role == "input"]
    if unknown := [name for group in declaration.ladder.order for name in group if name not in inputs]:
        raise UserError(
            f"ladder.order names {unknown[0]!r}, which is no run of the role `input` in {source}",
            expected=" | ".join(inputs) or "no names, as there is no such run",
        )
