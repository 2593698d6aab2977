"""The vocabulary that files share: named choices, file names, CSV columns. Each stands here once; imports nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

# networks, and how they are trained
FrameworkName = Literal["ssvif", "fusion_only", "supervised"]
WeightingName = Literal["gdwa", "fixed", "dwa", "ucw", "segmif", "gradnorm"]
Stages = Literal["two", "one"]
KeptEpoch = Literal["best", "last"]  # of the last stage, whose network a training saves
Schedule = Literal["constant", "cosine"]  # of the learning rate
ConsistencyName = Literal[
    "soft", "hard", "mutual_information", "sinkhorn", "distribution_alignment", "random_clusters", "random_gradient",
]  # fmt: skip
Initialization = Literal["default", "scaled", "maximum", "accurate", "fast"]
GdwaForm = Literal["ratio", "share", "balanced"]
DiceEpsilon = Literal["both", "denominator"]
StructuralShares = Literal["gradient", "equal"]
Precision = Literal["float32", "bfloat16"]
Tracker = Literal["tensorboard", "dvclive"]
SegFormerSize = Literal["b0", "b1", "b2", "b3", "b4", "b5"]

FUSION_MODELS: dict[str, str] = {
    "seafusion": "ssvif.models.seafusion:SeAFusion",
    "emma": "ssvif.models.emma:EMMA",
    "swinfusion": "ssvif.models.swinfusion:SwinFusion",
    "sage": "ssvif.models.sage:SAGE",
    "lite": "ssvif.models.lite:Lite",
    "cddfuse": "ssvif.models.cddfuse:CDDFuse",
    "timfusion": "ssvif.models.timfusion:TIMFusion",
    "timfusion_light": "ssvif.models.timfusion_light:TIMFusionLight",
    "segmif": "ssvif.models.segmif:SegMiF",
}
# with those that only fuse, as released: in color alone, and SSVIF cannot train them
FUSION_NETWORKS: dict[str, str] = {**FUSION_MODELS, "mrfs": "ssvif.models.mrfs:MRFS"}
PACKAGED_MODELS = ("fast", "accurate")  # trained networks inside the package; the first is the default
PUBLISHED_MODELS = (  # whose released checkpoints can be read
    "swinfusion", "seafusion", "emma", "sage", "cddfuse", "timfusion", "timfusion_light", "segmif", "mrfs",
)  # fmt: skip
# how a network's output becomes an image: ours, as its authors do, or without what they hardly meant to do
INFERENCE_NAMES = ("plain", *PUBLISHED_MODELS, "timfusion_stored", "segmif_luma")
BASELINES = ("average", "maximum", "visible", "infrared")
PRECISIONS: tuple[str, ...] = get_args(Precision)
Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[str, ...] = get_args(Device)

# pairs
SIDES = ("visible", "infrared")
Split = Literal["train", "validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
Resizing = Literal["infrared", "visible", "error"]  # which image is resized where the sizes differ
RESIZES: tuple[str, ...] = get_args(Resizing)
PairBy = Literal["name", "number", "time"]  # what the two images of a pair share
BothInOne = Literal[  # how one file holds both sides: gray or color and infrared, the latter first if reversed
    "channels", "pages", "rows", "columns",
    "channels-reversed", "pages-reversed", "rows-reversed", "columns-reversed",
]  # fmt: skip
BOTH_IN_ONE: tuple[str, ...] = get_args(BothInOne)
RANGES = ("auto", "full", "percentile", "sequence")  # or LOW:HIGH
Depth = Literal["8", "16"]  # bits of each channel of fused images
ColorMode = Literal["rgb", "ycbcr"]
COLOR_MODES: tuple[str, ...] = ("", *get_args(ColorMode))
LUMA_PER_MILLE = (299, 587, 114)  # of red, green and blue, BT.601
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv")

# the experiments table
RunKind = Literal["trained", "published", "baseline", "images"]
RUN_KINDS: tuple[str, ...] = get_args(RunKind)
# what a run is for in a ladder: an image that needs no training, what arms are compared with, a question, a control
# that teaches nothing, a control that must win
LadderRole = Literal["input", "reference", "arm", "negative", "positive"]
LADDER_ROLES: tuple[str, ...] = get_args(LadderRole)
LadderScore = Literal["probe.mean_ap", "probe.log_loss", "probe.miou", "segmentation.miou", "detection.map50"]


def add_seed(run: str, title: str, seed: str) -> tuple[str, str]:
    """Return the name and the title of one seed's run: "ours_seed1", "Ours (seed 1)"."""
    return f"{run}_seed{seed}", f"{title} (seed {seed})"


def drop_seed(run: str, title: str = "") -> tuple[str, str]:
    """Return a run's name and title without its seed, the reverse of `add_seed`; as they are where they have none."""
    base, _, seed = run.rpartition("_seed")
    return (base, title.removesuffix(f" (seed {seed})")) if base and seed.isdigit() else (run, title)


# files of a dataset, results/{dataset}/data/
SPLIT_COLUMNS = ("split", "pair_id", "visible", "infrared", "label", "boxes")

# files of a run, results/{dataset}/{run}/
ScoreKind = Literal["fusion_metrics", "segmentation", "detection", "probe", "efficiency"]
FUSION_METRICS, SEGMENTATION, DETECTION, PROBE = "fusion_metrics", "segmentation", "detection", "probe"
RUN_FILES: dict[str, str] = {
    FUSION_METRICS: "fusion_metrics.csv",
    SEGMENTATION: "segmentation/iou.csv",
    DETECTION: "detection/ap.csv",
    PROBE: "probe/scores.csv",
}
METRIC_COLUMNS = ("dataset", "run", "pair_id", "metric", "value")
JUDGE_COLUMNS = ("dataset", "run", "metric", "class", "value", "initial_weights")  # iou.csv and ap.csv
# scores.csv of the probe: a row without a pair_id is about all judged pairs together; `labels` are masks or boxes
PROBE_COLUMNS = ("dataset", "run", "pair_id", "metric", "class", "value", "labels")
ProbeLabels = Literal["auto", "masks", "boxes"]
BOX_COLUMNS = ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px")
# where nothing can be scored, a file of scores has one row of this metric and, in one column more, the reason
LEFT_OUT, NOTE = "left_out", "note"
GRADIENT_RELATIONS = ("projection_consistency", "projection_fusion", "cosine")  # of the tasks, in gradients.csv
PSEUDO_LABEL_CUES = ("visible", "infrared", "row", "border")  # columns of classes.csv, rows of follows.csv
LIVE_SHARE = 1e-3  # of the pixels, above which a pseudo label's class counts as live
EFFICIENCY = "efficiency"  # the one score that is no run's: results/efficiency.csv
EFFICIENCY_COLUMNS = ("model", "channels", "height_px", "width_px", "quantity", "value")
COSTS: dict[str, tuple[tuple[str, ...], float]] = {  # of Table IV: the first of these quantities there is, its unit
    # released networks count what they carry and never use; the paper measures them so
    "parameters_mparam": (("released_parameters", "parameters"), 1e6),
    "macs_gmac": (("macs",), 1e9),
    "peak_memory_mb": (("peak_memory_mb",), 1),
}


# what is measured; `StandardMetric`: by `ssvif score`, unless asked otherwise
StandardMetric = Literal[
    "en", "mi", "vif", "qabf", "ssim", "ssim255", "ms_ssim", "ms_ssim255", "delta_e76", "delta_e2000",
]  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """How a metric is shown."""

    heading: str  # its name, the convention included
    latex: str  # the same in LaTeX
    arrow: str = "↑"  # "↑" when higher is better, "↓" when lower is, "" when neither is
    decimals: int = 3
    unit: str = ""  # of the shown values; "%" where the stored values are fractions

    @property
    def scale(self) -> int:
        """What a stored value is multiplied by to be shown."""
        return 100 if self.unit == "%" else 1


# in the order of the columns; as in the paper's tables, classes stand before their mean
MEASURES = {
    "en": Measure("EN", "EN", unit="bit"),
    "mi": Measure("MI", "MI", unit="bit"),
    "vif": Measure("VIF", "VIF"),
    "qabf": Measure("Qabf", "$Q^{AB/F}$"),
    "ssim": Measure("SSIM (L=1)", "SSIM ($L{=}1$)"),
    "ssim255": Measure("SSIM (L=255)", "SSIM ($L{=}255$)"),
    "ms_ssim": Measure("MS-SSIM (L=1)", "MS-SSIM ($L{=}1$)"),
    "ms_ssim255": Measure("MS-SSIM (L=255)", "MS-SSIM ($L{=}255$)"),
    "delta_e76": Measure("ΔE76", r"$\Delta E_{76}$", "↓", 2, "CIELAB"),
    "delta_e2000": Measure("ΔE2000", r"$\Delta E_{2000}$", "↓", 2, "CIELAB"),
    "sd": Measure("SD", "SD", unit="gray level"),
    "sf": Measure("SF", "SF", unit="gray level"),
    "ag": Measure("AG", "AG", unit="gray level"),
    "cc": Measure("CC", "CC"),
    "scd": Measure("SCD", "SCD"),
    "psnr": Measure("PSNR", "PSNR", decimals=2, unit="dB"),
    "fmi": Measure("FMI (pixel)", "FMI (pixel)"),
    "nabf": Measure("Nabf", "$N^{AB/F}$", "↓"),
    "viff": Measure("VIFF", "VIFF"),
    "log_loss": Measure("log-loss", "log-loss", "↓"),
    "ap": Measure("AP (cells)", "AP (cells)", decimals=2, unit="%"),
    "mean_ap": Measure("mean AP (cells)", "mean AP (cells)", decimals=2, unit="%"),
    "iou": Measure("IoU", "IoU", decimals=2, unit="%"),
    "miou": Measure("mIoU", "mIoU", decimals=2, unit="%"),
    "miou_without_background": Measure("mIoU w/o background", "mIoU w/o bg.", decimals=2, unit="%"),
    "ap50": Measure("AP@0.5", "AP@0.5", decimals=2, unit="%"),
    "map50": Measure("mAP@0.5", "mAP@0.5", decimals=2, unit="%"),
    "parameters_mparam": Measure("parameters", "parameters", "↓", 2, "M"),
    "macs_gmac": Measure("MACs", "MACs", "↓", 2, "G"),
    "peak_memory_mb": Measure("memory", "memory", "↓", 1, "MB"),
}
