import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_dataset import DESCRIPTOR
from PIL import Image

from ssvif.data.packed import PairsFile
from ssvif.io.errors import UserError
from ssvif.judging.fused_images import IGNORE, FusedImages, batches_by_size, target_of


def open_train(dataset, **settings):
    pairs, fused = PairsFile(dataset[0]), dataset[1]
    return FusedImages(pairs, fused, "train", pairs.names("train"), **settings)


def test_whole_images_are_padded_to_multiples_of_32(make_dataset):
    item = open_train(make_dataset({"train": 1}, (50, 70)))[0]
    assert item["image"].shape == (3, 64, 96)
    assert item["label"].shape == (64, 96)
    assert (item["label"][50:] == IGNORE).all()
    assert (item["label"][:, 70:] == IGNORE).all()
    # reflection does not repeat the border
    torch.testing.assert_close(item["image"][:, 50, :70], item["image"][:, 48, :70])


def test_an_item_has_the_fused_image_and_class_indices(make_dataset):
    pairs, fused = make_dataset({"train": 1})
    item = open_train((pairs, fused))[0]
    image = np.asarray(Image.open(fused / "train" / "000.a.png"))
    np.testing.assert_allclose(item["image"].numpy().transpose(1, 2, 0) * 255, image, atol=1e-4)
    ids = PairsFile(pairs).label("train", "000.a")
    assert ids is not None
    np.testing.assert_array_equal(item["label"].numpy(), ids)
    assert (item["label"][0, :4] == IGNORE).all()


def test_crops_and_flips_follow_seed_and_epoch(make_dataset):
    dataset = make_dataset({"train": 1}, (96, 96))
    first, again = (open_train(dataset, augment=True, crop=32, seed=3) for _ in range(2))
    torch.testing.assert_close(first[0]["image"], again[0]["image"], rtol=0, atol=0)
    first.set_epoch(1)
    assert not torch.equal(first[0]["image"], again[0]["image"])
    assert first[0]["image"].shape == (3, 32, 32)


def test_image_and_label_stay_together_under_augmentation(make_dataset):
    dataset = open_train(make_dataset({"train": 1}, (96, 96)), augment=True, crop=64)
    for epoch in range(8):
        dataset.set_epoch(epoch)
        item = dataset[0]
        car = item["label"] == 1
        red = (item["image"][0] > 0.7) & (item["image"][2] < 0.3)
        assert torch.equal(car, red & (item["label"] != IGNORE))


def test_an_image_smaller_than_the_crop_is_padded(make_dataset):
    item = open_train(make_dataset({"train": 1}, (40, 40)), augment=True, crop=64)[0]
    assert item["image"].shape == (3, 64, 64)
    assert int((item["label"] != IGNORE).sum()) == 40 * 40 - 4


def write_other_size(path):
    Image.new("L", (60, 64)).save(path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "does not exist"),
        (write_other_size, "has another size than its pair\n  expected: 64×64 pixels\n  got:      60×64"),
        (lambda path: path.write_bytes(b"no image"), "cannot be read as an image"),
    ],
)
def test_a_fused_image_that_does_not_fit_is_named(make_dataset, spoil, says):
    pairs, fused = make_dataset({"train": 2})
    spoil(fused / "train" / "001.a.png")
    with pytest.raises(UserError, match=rf"001\.a\.png {says}") as caught:
        open_train((pairs, fused))
    assert "ssvif fuse" in caught.value.remedy


def test_the_descriptors_ignore_value_is_ignored():
    descriptor = dataclasses.replace(DESCRIPTOR, ignore_index=9)
    np.testing.assert_array_equal(target_of(np.array([[9, 0, 3]], dtype=np.uint8), descriptor), [[IGNORE, 0, 3]])


@pytest.mark.parametrize("ignore_index", [9, 255])
def test_an_unknown_class_id_is_named(ignore_index):
    descriptor = dataclasses.replace(DESCRIPTOR, ignore_index=ignore_index)
    with pytest.raises(UserError, match=r"\[4, 17\]"):
        target_of(np.array([[0, 17, 4, ignore_index]], dtype=np.uint8), descriptor)


@given(
    sizes=st.lists(st.sampled_from([(32, 32), (32, 64), (64, 64)]), max_size=30),
    batch_size=st.integers(1, 7),
    seed=st.none() | st.integers(0, 9),
)
def test_batches_hold_every_index_once_and_one_size(sizes, batch_size, seed):
    shuffle = None if seed is None else torch.Generator().manual_seed(seed)
    batches = batches_by_size(sizes, batch_size, shuffle)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len({sizes[index] for index in batch}) == 1 for batch in batches)
    assert all(len(batch) <= batch_size for batch in batches)
    fewest = sum(-(-sizes.count(size) // batch_size) for size in set(sizes))
    assert len(batches) == fewest
