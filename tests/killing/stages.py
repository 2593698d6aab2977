"""The commands of a tiny workflow, each a stage that may be killed, that works in a folder of its own.

Its inputs lie in the sibling folder `whole`, where an undisturbed run has written everything.
"""

from dataclasses import dataclass
from pathlib import Path

from commands import ROOT

DATASETS = f"{ROOT}/config/datasets"
WHOLE, DATA, RUN = "../whole", "results/scenes/data", "results/scenes/ours"
PAIRS = f"{WHOLE}/{DATA}/pairs.h5"
SCENES = ("--dataset", f"{DATASETS}/scenes.yaml", "--data-root", f"{WHOLE}/data")
CPU = ("--device", "cpu", "--threads", "1")
SWITCH_EPOCH, EPOCHS = 2, 4


def settings(**values: object) -> tuple[str, ...]:
    return tuple(part for name, value in values.items() for part in ("--set", f"{name}={value}"))


TRAINING = settings(
    fusion_model="lite", segmenter="b0", classes=4, epochs=EPOCHS, stage_one_max_epochs=SWITCH_EPOCH,
    stage_one_min_epochs=SWITCH_EPOCH, batch_size=2, crop_px=48, ema_decay=0.5, schedule="cosine", every_n_steps=2,
)  # fmt: skip
SEGMENTATION = settings(size="b0", epochs=2, frozen_epochs=0, batch_size=4, crop=48)
DETECTION = settings(epochs=1, batch_size=4, image_size_px=64, mosaic=0)
NAMED = ("--dataset", "scenes", "--run", "ours")
JUDGED = ("--pairs", PAIRS, "--fused", f"{WHOLE}/{RUN}/fused", *NAMED)
TEST_IMAGES = ("--pairs", PAIRS, "--fused", f"{WHOLE}/{RUN}/fused/test")
TABLES = ("tables", "--results", f"{WHOLE}/results", "--output", "results/tables")
PARTS = ("--tables", f"{WHOLE}/results/tables", "--figures", f"{WHOLE}/results/figures")
SHOWN = ("--run=scenes/ours=Ours",)
SOURCES = ("--datasets", DATASETS, "--source", f"scenes={WHOLE}/data/scenes")
STATE = ("--state", "state.pt")


@dataclass(frozen=True)
class StageToKill:
    """A command; `folders` are its results that appear as a whole, others appear file by file."""

    arguments: tuple[str, ...]
    folders: tuple[str, ...] = ()
    said_before_switch: str = ""  # what a training logs before the epoch at whose end it changes stages
    completes: bool = False  # it goes on with what its output holds, and otherwise replaces it


STAGES = {
    "scenes": StageToKill(
        ("scenes", "--output", "data/scenes", "--train", "9", "--test", "3", "--height", "64", "--width", "80"),
        ("data/scenes",),
    ),
    "split": StageToKill(("split", *SCENES, "--output", f"{DATA}/splits.csv")),
    "pack": StageToKill(
        ("pack", *SCENES, "--splits", f"{WHOLE}/{DATA}/splits.csv", "--output", f"{DATA}/pairs.h5"),
    ),
    "stage-one": StageToKill(
        ("stage-one", "--pairs", PAIRS, "--output", "results/scenes/one.safetensors", *STATE, *TRAINING, *CPU),
        said_before_switch=f"epoch {SWITCH_EPOCH - 1}/",
    ),
    "train": StageToKill(
        ("train", "--pairs", PAIRS, "--output", RUN, *STATE, *TRAINING, *CPU),
        (f"{RUN}/pseudo_labels",),
        said_before_switch=f"epoch {SWITCH_EPOCH - 1}/",
    ),
    "fuse": StageToKill(
        ("fuse", "--pairs", PAIRS, "--model", f"{WHOLE}/{RUN}/model.safetensors", "--output", f"{RUN}/fused", *CPU),
        (f"{RUN}/fused",),
    ),
    "fuse own": StageToKill(
        ("fuse", f"{WHOLE}/data/scenes/train/vi", f"{WHOLE}/data/scenes/train/ir", "--output", "own", *CPU),
        completes=True,
    ),
    "score": StageToKill(
        ("score", "--output", f"{RUN}/fusion_metrics.csv", *TEST_IMAGES, *NAMED, "--device", "cpu", "--workers", "1")
    ),
    "probe": StageToKill(("probe", *JUDGED, "--output", f"{RUN}/probe", *CPU), (f"{RUN}/probe",)),
    "segment": StageToKill(
        ("segment", *JUDGED, "--output", f"{RUN}/segmentation", *CPU, *SEGMENTATION), (f"{RUN}/segmentation",)
    ),
    "detect": StageToKill(("detect", *JUDGED, "--output", f"{RUN}/detection", *CPU, *DETECTION), (f"{RUN}/detection",)),
    "tables": StageToKill((*TABLES, *SHOWN)),
    "paper tables": StageToKill((*TABLES, *SHOWN, "--table", "9", "--published", f"{ROOT}/config/published")),
    "figures": StageToKill(
        ("figures", "--results", f"{WHOLE}/results", "--output", "results/figures", *SHOWN, *SOURCES),
        ("results/figures",),
    ),
    "report": StageToKill(
        ("report", "--results", f"{WHOLE}/results", "--output", "results/report", *SHOWN, *SOURCES, *PARTS),
        ("results/report",),
    ),
}


def files_of(found: dict[str, str], folder: str = "") -> dict[str, str]:
    """What lies in a folder, without folders: those above a result are made by each stage that comes first."""
    return {name: each for name, each in found.items() if each != "folder" and name.startswith(folder)}


def check_nothing_half(stage: StageToKill, now: dict[str, str], former: dict[str, str], made: dict[str, str]) -> None:
    """Check that a file under a final name, or a folder that appears as a whole, is the former or the new one."""
    for name, digest in files_of(now).items():
        # hidden: temporary files, locks, and what a folder of fused images remembers
        hidden = any(part.startswith(".") for part in Path(name).parts)
        whole = digest in ("record", former.get(name), made.get(name)) or name == "state.pt"
        assert hidden or whole, f"{name} is half-written"
    for folder in stage.folders:
        held, old, new = ({*files_of(each, f"{folder}/").values()} - {"record"} for each in (now, former, made))
        assert held in (set(), old, new), f"{folder} is half-written"
