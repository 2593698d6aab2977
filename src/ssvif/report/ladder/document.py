"""results.md: the answer of a ladder in words, then how it was found, with tables and pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment

from ssvif.ops.statistics import mean_of, student_interval
from ssvif.report.formats import escape_markdown, open_templates
from ssvif.report.ladder.effects import LOG_LOSS, Effect, Findings, Verdict
from ssvif.report.ladder.measured import TRAINING, Arm, Key, Measured
from ssvif.report.sheet import DASH, measure_of, position, print_number
from ssvif.schema import DETECTION, FUSION_METRICS, PROBE, SEGMENTATION

TEMPLATES = Path(__file__).parents[1] / "templates/ladder"
JUDGES = {PROBE: "the probe", SEGMENTATION: "SegFormer", DETECTION: "YOLO", FUSION_METRICS: "fusion", TRAINING: ""}
VERDICTS: dict[Verdict, str] = {
    "helps": "helps",
    "controls": "above the reference, not shown above every control",
    "harms": "harms",
    "none": "no effect of interest",
    "open": "not shown",
    "untested": "not tested",
}
ROLES = {
    "input": "input",
    "reference": "reference",
    "arm": "label-free",
    "negative": "negative control",
    "positive": "positive control",
}
# metrics of the table of other scores; effects.csv holds them all
DESCRIBED = ("log_loss", "mean_ap", "miou", "map50", "vif", "qabf", "ssim", "delta_e76")
IMAGES = "images/results/{dataset}"  # beside results.md
NAMES = {
    "live_classes": "live classes",
    "pixel_agreement": "agreement",
    "position_information": "position information",
    "nmi_color": "NMI with color",
    "nmi_label": "NMI with labels",
    "projection_consistency": "projection of consistency",
    "projection_fusion": "projection of fusion",
    "cosine": "cosine",
}


def write_document(measured: Measured, found: Findings, *, charts: bool, pictures: Sequence[tuple[str, str]]) -> str:
    """Return results.md of a ladder.

    `charts` says whether there is a figure of the effects, `pictures` the title and file of pictures of pseudo labels;
    both lie in `IMAGES` beside the document.
    """
    primary, level = measured.primary, measured.declaration.ladder.level
    unit = _unit(primary)
    environment = _environment()
    text = environment.get_template("results.md.j2").render(
        declared=measured.declaration,
        found=found,
        best=found.best,
        worst=found.worst,
        bound=_number(max(found.excluded, 0.0), primary) + unit if math.isfinite(found.excluded) else "",
        sees=found.positive is not None and found.positive.is_better(level),
        reference=found.reference.title if found.reference else "the reference",
        judge=f"{JUDGES[primary.score]}'s {measure_of(primary.metric).heading}",
        unit=unit,
        percent=f"{100 * (1 - level):g} %",
        missing=measured.missing,
        arms=measured.planned,
        complete=measured.is_complete,
        seeds=_seeds(measured),
        tables={
            "arms": _arms_table(measured),
            "inputs": _inputs_table(measured),
            "effects": _effects_table(measured, found),
            "images": _images_table(found),
            "others": _others_table(measured, found),
            "scores": _scores_table(measured),
            "training": _training_table(measured),
        },
        charts=charts,
        pictures=pictures,
        folder=IMAGES.format(dataset=measured.declaration.dataset),
        verdicts=VERDICTS,
    )
    return re.sub(r"\n{3,}", "\n\n", text).lstrip("\n")


def _environment() -> Environment:
    environment = open_templates(TEMPLATES, keep_trailing_newline=True)
    environment.filters |= {
        "change": lambda each: _change(each) + _unit(each.key),
        "interval": _interval,
        "signed": lambda value: print_number(value, "+.2f"),
        "number": lambda value: f"{value:g}",
        "p": _p,
        # a title inside a sentence: its first word is a plain one, or a name that keeps its letters
        "inline": lambda text: re.sub(r"^[A-Z](?=[a-z]+\b)", lambda match: match[0].lower(), escape_markdown(text)),
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def _unit(key: Key) -> str:
    return " points" if key.scale == 100 else ""


def _digits(key: Key) -> int:
    return 1 if key.metric == "live_classes" else measure_of(key.metric).decimals


def _number(value: float, key: Key, sign: str = "") -> str:
    digits = _digits(key)
    return print_number(round(value, digits) + 0.0, f"{sign}.{digits}f")  # rounded first, and + 0.0: no −0.00


def _change(effect: Effect) -> str:
    return _number(effect.mean, effect.key, "+")


def _interval(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return ""
    return f"{_number(effect.low, effect.key)} to {_number(effect.high, effect.key)}"


def _p(value: float) -> str:
    if math.isnan(value):
        return DASH
    return f"{value:.3f}" if value >= 0.001 else "0.001 or less"


def _seeds(measured: Measured) -> str:
    counts = sorted({len(arm.runs) for arm in measured.of("reference", "arm", "negative", "positive")})
    if not counts:
        return "no seed was trained"
    most = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{most} training {'seed' if counts == [1] else 'seeds'} an arm"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], side: str = "--:") -> str:
    """Return a table in Markdown, its first column, of titles, to the left and the others to the right."""
    titled = ([escape_markdown(title), *cells] for title, *cells in rows)
    lines = [head, [":--", *[side] * (len(head) - 1)], *titled]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _arms_table(measured: Measured) -> str:
    rows = [
        [arm.title, ROLES[arm.declared.role], str(len(arm.runs)), escape_markdown(arm.declared.note)]
        for arm in measured.arms
    ]
    return _table(["arm", "role", "runs", "what it is"], rows, side=":--")


def _effects_table(measured: Measured, found: Findings) -> str:
    controls = measured.of("negative")
    sees = found.outcome in ("helps", "controls", "harms", "none", "open")
    head = ["arm", "− reference", *(f"− {escape_markdown(each.title)}" for each in controls), "p (Holm)", "verdict"]
    rows = []
    for judged in found.judged:
        by_name = {each.against.declared.name: each for each in judged.controls}
        against = [_cell(by_name.get(each.declared.name)) for each in controls]
        verdict = VERDICTS[judged.verdict] if sees else DASH
        rows.append([judged.arm.title, _cell(judged.reference), *against, _p(judged.p_value), verdict])
    for effect in found.controls:
        role = ROLES[effect.arm.declared.role]
        rows.append([effect.arm.title, _cell(effect), *[DASH] * len(controls), DASH, role])
    return _table(head, rows) if rows else "Nothing to compare."


def _cell(effect: Effect | None) -> str:
    if effect is None:
        return DASH
    return f"{_change(effect)} ({_interval(effect)})" if _interval(effect) else _change(effect)


def _images_table(found: Findings) -> str:
    effects = {(each.arm.declared.name, each.seed): each for each in found.images if each.key == LOG_LOSS}
    seeds = list(dict.fromkeys(seed for _, seed in effects))
    arms = list({each.arm.declared.name: each.arm for each in found.images}.values())
    rows = [[arm.title, *(_cell(effects.get((arm.declared.name, seed))) for seed in seeds)] for arm in arms]
    head = ["arm", *(f"seed {seed}" if seed else "one run" for seed in seeds)]
    return _table(head, rows) if effects else "The judge gives no log-loss of single images."


def _keys(measured: Measured, *kinds: str) -> list[Key]:
    known = {key for arm in measured.arms for run in arm.runs.values() for key in run.whole if key.score in kinds}
    order = list(JUDGES)
    return sorted(known, key=lambda key: (order.index(key.score), position(key.metric), key.metric, key.class_name))


def _head(key: Key) -> str:
    measure = measure_of(key.metric)
    name = NAMES.get(key.metric) or " ".join(part for part in (measure.heading, key.class_name) if part)
    judge = f"{JUDGES[key.score].removeprefix('the ')}: " if key.score in (SEGMENTATION, DETECTION) else ""
    return f"{judge}{name} {measure.arrow}".strip()


def _scores(measured: Measured, arms: Sequence[Arm], keys: Sequence[Key]) -> str:
    level = measured.declaration.ladder.level
    rows = [[arm.title, *(_mean(arm.values(key), key, level) for key in keys)] for arm in arms]
    rows = [row for row in rows if set(row[1:]) != {DASH}]
    return _table(["arm", *map(_head, keys)], rows) if keys and rows else ""


def _mean(values: Sequence[float], key: Key, level: float) -> str:
    if not values:
        return DASH
    form = f".{_digits(key)}f"
    low, high = student_interval(values, 1 - level)
    half = f" ± {print_number((high - low) / 2, form)}" if len(values) > 1 else ""
    return print_number(mean_of(values), form) + half


def _inputs_table(measured: Measured) -> str:
    keys = [key for key in _keys(measured, PROBE, measured.primary.score) if key.metric not in ("iou", "miou")]
    arms = measured.of("input", "reference", "positive")
    return _scores(measured, arms, keys) or "No run has scores of this judge."


def _others_table(measured: Measured, found: Findings) -> str:
    effects = {(each.arm.declared.name, each.key): each for each in found.others if each.key.metric in DESCRIBED}
    keys = [key for key in _keys(measured, *JUDGES) if any(key == each for _, each in effects)]
    arms = list({each.arm.declared.name: each.arm for each in found.others}.values())
    rows = [[arm.title, *(_cell(effects.get((arm.declared.name, key))) for key in keys)] for arm in arms]
    return _table(["arm", *map(_head, keys)], rows) if keys else "There are no other scores."


def _scores_table(measured: Measured) -> str:
    keys = _keys(measured, PROBE, SEGMENTATION, DETECTION)
    # with the IoU of every class the table is too wide to read; arms.csv holds them
    judged = _scores(measured, measured.arms, [key for key in keys if key.metric != "iou"])
    fused = _scores(measured, measured.arms, _keys(measured, FUSION_METRICS))
    return "\n\n".join(each for each in (judged, fused) if each)


def _training_table(measured: Measured) -> str:
    known = _keys(measured, TRAINING)
    keys = [Key(TRAINING, name) for name in NAMES if Key(TRAINING, name) in known]
    return _scores(measured, measured.arms, keys)
