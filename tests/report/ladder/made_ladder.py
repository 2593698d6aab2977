"""Writers of a small ladder's results: the probe's scores of each arm's seeds, as the judge would leave them."""

from pathlib import Path

import numpy as np

from report.made_results import picture, write, write_gradients, write_scores
from ssvif.report.ladder.declaration import Declaration, DeclaredArm, LadderSettings
from ssvif.schema import PROBE_COLUMNS, RUN_FILES

ROLES = {
    "visible": "input",
    "infrared": "input",
    "average": "input",
    "released": "input",
    "fusion_only": "reference",
    "paper": "arm",
    "remedy": "arm",
    "random_clusters": "negative",
    "random_gradient": "negative",
    "supervised": "positive",
}
INPUTS = {"visible": 50.0, "infrared": 51.0, "average": 59.0, "released": 60.5}
NOISE = (0.0, 0.11, -0.09)  # of an arm's difference, by seed


def declare(seeds: int = 3, **settings) -> Declaration:
    order = [["visible", "infrared"], ["average"], ["released"]]
    arms = [
        DeclaredArm(
            name=name,
            role=role,
            title=name.replace("_", " ").capitalize(),
            note="a row of the table",
            runs={"": name} if role == "input" else {str(seed): f"{name}_seed{seed}" for seed in range(seeds)},
        )
        for name, role in ROLES.items()
    ]
    return Declaration(
        ladder=LadderSettings(order=order, **settings), dataset="toy", title="Toy & Co", arms=tuple(arms)
    )


def write_probe(run: Path, mean_ap: float, log_loss: float, pairs: int = 12) -> None:
    """Write probe/scores.csv: the mean AP in percent, and log-losses of some single images around a mean."""
    noise = np.random.default_rng(len(run.name)).normal(0, 0.2, pairs)
    images = [(f"{place:03d}", "log_loss", "", log_loss + each) for place, each in enumerate(noise)]
    images += [("000", "ap", "person", mean_ap / 100)]
    whole = {("log_loss", ""): log_loss, ("ap", "person"): mean_ap / 100, ("mean_ap", ""): mean_ap / 100}
    images += [("", metric, name, value) for (metric, name), value in whole.items()]
    write(run / RUN_FILES["probe"], PROBE_COLUMNS, [("toy", run.name, *row, "boxes") for row in images])


def write_ladder(results: Path, gains: dict[str, float], seeds: int = 3) -> Path:
    """Write the runs of a ladder in which each trained arm is above fusion only by its gain in points, plus noise."""
    for name, mean_ap in INPUTS.items():
        write_probe(results / "toy" / name, mean_ap, 2 - mean_ap / 60)
        write_scores(results / "toy" / name, {"delta_e76": [3.0, 4.0]})
    for name, gain in {"fusion_only": 0.0, **gains}.items():
        for seed in range(seeds):
            run = results / "toy" / f"{name}_seed{seed}"
            noise = NOISE[seed] * (0 if name == "fusion_only" else len(name) / 5)
            mean_ap = 60 + 0.3 * seed + gain + noise
            write_probe(run, mean_ap, 2 - mean_ap / 60, pairs=12 if seed == 0 else 0)  # intervals take their time
            write_scores(run, {"delta_e76": [2.0, 2.5 + gain], "vif": [0.9, 0.8]})
            if name in ("paper", "remedy"):
                rows = [(4, "joint", 9, 0.6, 0.2), (5, "joint", 11, 0.7, 0.1)]
                write(run / "history.csv", ("epoch", "stage", "live_classes", "pixel_agreement", "nmi_color"), rows)
                write_gradients(run)
                picture(run / "pseudo_labels/001.png", np.full((8, 48, 3), 60 * seed))
    return results


# name of an outcome to the gains of the arms in which it comes out, in points
OUTCOMES = {
    "helps": {"paper": 0.1, "remedy": 2.0, "random_clusters": 0.2, "random_gradient": 0.0, "supervised": 4.0},
    "controls": {"paper": 0.1, "remedy": 2.0, "random_clusters": 2.05, "random_gradient": 0.0, "supervised": 4.0},
    "harms": {"paper": -2.0, "remedy": 0.1, "random_clusters": 0.2, "random_gradient": 0.0, "supervised": 4.0},
    "none": {"paper": 0.0, "remedy": 0.05, "random_clusters": 0.02, "random_gradient": 0.0, "supervised": 4.0},
    "open": {"paper": 0.1, "remedy": 0.25, "random_clusters": 0.2, "random_gradient": 0.0, "supervised": 4.0},
    "blind": {"paper": 0.1, "remedy": 2.0, "random_clusters": 0.2, "random_gradient": 0.0, "supervised": 0.1},
    "unchecked": {"paper": 0.1, "remedy": 2.0, "random_clusters": 0.2},
    "missing": {},
}
