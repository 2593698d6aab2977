import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ssvif.data.boxes import draw_boxes
from ssvif.data.labelled_view import LabelledView, RandomClusterView
from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a small machine's warning


def write_annotation(packed, kind, splits=("train", "validation")):
    """Put label maps that tell each place, or boxes, into a packed file that has some; the infrared tells it too."""
    places = (np.arange(24 * 32).reshape(24, 32) * 7 % 256).astype(np.uint8)
    with h5py.File(packed, "r+") as file:
        for split in splits:
            for pair in file[split].values():
                pair["infrared"][...] = places
                del pair.attrs["crc32_infrared"]
                pair.pop("label", None)
                pair.attrs.pop("crc32_label", None)
                if kind == "label":
                    pair["label"] = np.where(places % 4 == 3, 255, places % 4).astype(np.uint8)
                else:
                    pair["boxes"] = np.array([[0, 0.5, 0.5, 0.5, 0.5], [1, 0.5, 0.5, 0.1, 0.9]])
    return packed


@pytest.fixture
def labelled(packed):
    return write_annotation(packed, "label")


def test_a_label_is_cropped_and_flipped_as_the_images_are(labelled):
    view = LabelledView(labelled, "train", 8, seed=0)
    assert view.num_classes == 3
    for index in range(len(view)):
        item = view[index]
        assert item["target"].dtype == torch.int64
        shade = (item["infrared"][0] * 255).round().long() % 4
        assert torch.equal(item["target"], torch.where(shade == 3, 255, shade))


def test_boxes_serve_as_labels_with_the_background_first(packed):
    view = LabelledView(write_annotation(packed, "boxes"), "validation", 24, seed=0, augment=False)
    assert view.num_classes == 3
    boxes = PairsFile(packed).boxes("validation", view.names[0])
    expected = draw_boxes(boxes, 24, 32)[:, 4:28]
    assert view[0]["target"].tolist() == expected.tolist()
    assert set(np.unique(expected)) == {0, 1, 2}


def test_pairs_without_a_label_are_named(packed):
    """The made dataset has label maps for a third of its training pairs."""
    with pytest.raises(UserError, match="has no label map, which a supervised training needs") as caught:
        LabelledView(packed, "train", 8, seed=0)
    assert "4 with a label map, 8 with no label" in str(caught.value)
    write_annotation(packed, "boxes", ["train"])
    with h5py.File(packed, "r+") as file:
        for pair in file["validation"].values():
            pair.pop("label", None)
            pair.attrs.pop("crc32_label", None)
            pair["label"] = np.zeros((24, 32), np.uint8)
    with pytest.raises(UserError, match=r"train/\d+ in .* has no label map") as caught:
        LabelledView(packed, "validation", 8, seed=0)
    assert "3 with a label map, 9 with boxes alone" in str(caught.value)


def test_random_clusters_follow_crop_and_flips_and_nothing_else(packed):
    view = RandomClusterView(packed, "train", 24, seed=0, num_classes=5)
    whole = {name: view.target(name, slice(None), slice(None)) for name in view.names}
    small = RandomClusterView(packed, "train", 8, seed=3, num_classes=5)
    for index, name in enumerate(small.names):
        target = small[index]["target"].numpy()
        windows = np.lib.stride_tricks.sliding_window_view(whole[name], (8, 8))
        forms = (target, target[::-1], target[:, ::-1], target[::-1, ::-1])
        assert any((windows == form).all((2, 3)).any() for form in forms)
    assert len({each.tobytes() for each in whole.values()}) == len(whole)


def test_random_clusters_are_blobs_of_all_classes_in_about_equal_parts(packed):
    view = RandomClusterView(packed, "train", 8, seed=0, num_classes=4)
    maps = np.stack([view.target(name, slice(None), slice(None)) for name in view.names])
    assert np.bincount(maps.ravel(), minlength=4) / maps.size == pytest.approx([0.25] * 4, abs=0.12)
    assert (maps[:, 1:] == maps[:, :-1]).mean() > 0.7


@pytest.mark.parametrize("kind", [LabelledView, RandomClusterView])
def test_workers_read_the_same_targets(labelled, kind):
    view = kind(labelled, "train", 8, seed=0)
    batches = [torch.cat([each["target"] for each in DataLoader(view, 2, num_workers=count)]) for count in (0, 1)]
    assert torch.equal(*batches)
