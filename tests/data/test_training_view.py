import pickle

import h5py
import pytest
import torch
from torch.utils.data import DataLoader

from ssvif.data.loader import BatchLoader
from ssvif.data.packed import ImageReader, PairsFile
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # a small machine's warning


def items(view, **loading):
    """All items of a view, loaded in batches of two, in order."""
    loader = DataLoader(view, batch_size=2, **loading)
    return {key: torch.cat([batch[key] for batch in list(loader)]) for key in ("visible", "infrared")}


def assert_same(left, right):
    for key in ("visible", "infrared"):
        assert torch.equal(left[key], right[key])


@pytest.mark.parametrize(("flip", "forms"), [(True, ((), (1,), (2,), (1, 2))), (False, ((),))])
def test_items_are_crops_of_both_images_at_one_place(packed, flip, forms):
    view, file = TrainingView(packed, "train", 8, seed=0, flip=flip), PairsFile(packed)
    assert len(view) == 9
    for index, name in enumerate(view.names):
        item = view[index]
        assert sorted(item) == ["infrared", "visible"]
        assert item["visible"].shape == item["infrared"].shape == (3, 8, 8)
        assert item["visible"].dtype == item["infrared"].dtype == torch.float32
        visible = torch.from_numpy(file.visible("train", name)).permute(2, 0, 1) / 255
        infrared = torch.from_numpy(file.infrared("train", name))[None].expand(3, -1, -1) / 255
        whole, crop = torch.cat([visible, infrared]), torch.cat([item["visible"], item["infrared"]])
        windows = whole.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4)
        found = [bool((windows == crop.flip(dims)).flatten(2).all(2).any()) for dims in forms]
        assert sum(found) == 1


def test_crops_and_flips_reach_every_place_and_form(packed):
    """A ramp in place of an image tells each crop's place and its mirroring."""
    with h5py.File(packed, "r+") as file:
        for name in file["train"]:
            rows = torch.arange(24)[:, None] * 10
            file[f"train/{name}/infrared"][...] = (rows + torch.arange(32) // 4).to(torch.uint8).numpy()
            del file[f"train/{name}"].attrs["crc32_infrared"]
    view = TrainingView(packed, "train", 22, seed=0)
    forms, places = set(), set()
    for epoch in range(40):
        view.set_epoch(epoch)
        for index in range(len(view)):
            crop = view[index]["infrared"][0]
            forms.add((bool(crop[0, 0] > crop[-1, 0]), bool(crop[0, 0] > crop[0, -1])))
            places.add(round(float(crop.min() * 255) / 10))
    assert len(forms) == 4
    assert places == {0, 1, 2}


def test_validation_takes_the_center_each_time_and_a_crop_of_the_whole_image_works(packed):
    assert TrainingView(packed, "train", 24, seed=1)[0]["visible"].shape == (3, 24, 24)
    view, file = TrainingView(packed, "validation", 8, seed=0, augment=False), PairsFile(packed)
    first = items(view)
    view.set_epoch(5)
    assert_same(items(view), first)
    visible = file.visible("validation", view.names[0])[8:16, 12:20].transpose(2, 0, 1)
    assert torch.equal(first["visible"][0], torch.from_numpy(visible.copy()) / 255)


def test_items_depend_on_seed_and_epoch_and_survive_pickling(packed):
    views = [TrainingView(packed, "train", 8, seed) for seed in (0, 0, 1)]
    same, again, other = (items(view)["visible"] for view in views)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    epochs = []
    for epoch in (0, 1, 0):
        views[0].set_epoch(epoch)
        epochs.append(items(views[0])["visible"])
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    views[0].set_epoch(3)
    assert_same(items(pickle.loads(pickle.dumps(views[0]))), items(views[0]))


@pytest.mark.parametrize(
    ("method", "workers"),
    [("fork", 1), ("fork", 2), ("fork", 3), ("spawn", 2), pytest.param("forkserver", 2, marks=pytest.mark.slow)],
)
def test_workers_give_the_same_items_however_they_are_started(packed, method, workers):
    view = TrainingView(packed, "train", 8, seed=0)
    wanted = items(view)
    assert_same(items(view, num_workers=workers, multiprocessing_context=method), wanted)


def test_no_object_within_a_view_can_read_a_label(packed):
    view = TrainingView(packed, "train", 8, seed=0)
    _ = view[0]
    reached, waiting = [], [view]
    while waiting:
        thing = waiting.pop()
        reached.append(thing)
        waiting += [value for value in vars(thing).values() if type(value).__module__.startswith("ssvif")]
    assert [type(thing) for thing in reached] == [TrainingView, ImageReader]
    for thing in reached:
        offered = [name for name in dir(thing) if "label" in name or "box" in name or "descriptor" in name]
        assert not offered
    with pytest.raises(UserError):
        reached[1].visible("test", "00t/label")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_is_told_on_one_screen_from_a_worker_too(packed, workers):
    view = TrainingView(packed, "train", 8, seed=0)
    with h5py.File(packed, "r+") as file:
        del file[f"train/{view.names[0]}/visible"]
    with pytest.raises(UserError) as caught:
        list(BatchLoader(view, [[0]], workers, torch.device("cpu")))
    text = str(caught.value)
    assert text.startswith(str(packed))
    assert "Traceback" not in text
    assert "pack the pairs again" in text
    assert len(text.splitlines()) < 8


def test_a_crop_that_cannot_be_and_an_empty_split_are_told(packed):
    with h5py.File(packed, "r+") as file:
        file["validation"].clear()
    with pytest.raises(UserError, match=r"has no split 'validation'(?s:.*)one of train, test"):
        TrainingView(packed, "validation", 8, seed=0)
    with pytest.raises(UserError, match=r"The pair [01].* smaller than the training crop") as caught:
        TrainingView(packed, "train", 25, seed=0)
    assert "32×24 px" in caught.value.got
    assert "24 px or less" in caught.value.remedy
