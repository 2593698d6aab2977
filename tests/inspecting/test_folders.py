import numpy as np
import pytest

from ssvif.data.find import find_pairs
from ssvif.inspecting.folders import recognise_folder
from ssvif.io.errors import UserError
from ssvif.io.files import write_png


def make(root, *folders):
    for folder in folders:
        write_png(root / folder / "a.png", np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("folders", "visible"),
    [
        (("vi", "ir"), "vi/{name}"),
        (("VIS", "IR", "labels"), "VIS/{name}"),
        (("rgb", "lwir"), "rgb/{name}"),
        (("crop_LR_visible", "cropinfrared"), "crop_LR_visible/{name}"),
        (("Thermal", "Visible", "visible_masks"), "Visible/{name}"),
        (("train/vi", "train/ir", "test/vi", "test/ir"), "{split}/vi/{name}"),
        (("Training/visible", "Training/infrared", "val/visible", "val/infrared"), "{split}/visible/{name}"),
        (("images_rgb", "images_thermal", "labels"), "images_rgb/{name}"),
        (("RGB", "T", "GT"), "RGB/{name}"),
        *(
            (
                tuple(f"{side}/{split}" for side in sides for split in ("train", "val", "test")),
                f"{sides[0]}/{{split}}/{{name}}",
            )
            for sides in (("visible", "infrared"), ("RGB", "Thermal"), ("Visible", "LWIR"))
        ),
    ],
)
def test_sides_are_recognised_by_their_folders_names(tmp_path, folders, visible):
    make(tmp_path, *folders)
    descriptor, root = recognise_folder(tmp_path)
    assert descriptor.layouts[0].visible == visible
    pairs = sum(map(len, find_pairs(descriptor, root).values()))
    assert pairs == (3 if "{split}/{name}" in visible else len({each.rpartition("/")[0] for each in folders}))


@pytest.mark.parametrize("folders", [(), ("a", "b"), ("vi", "vis", "ir"), ("train/vi", "train/ir", "test/rgb", "x/ir")])
def test_what_cannot_be_recognised_is_told(tmp_path, folders):
    make(tmp_path, *folders)
    with pytest.raises(UserError, match="which of its folders"):
        recognise_folder(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        recognise_folder(tmp_path / "gone")
