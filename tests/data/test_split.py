import shutil
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssvif.data.descriptor import Descriptor, Layout
from ssvif.data.find import FoundPair, find_pairs, find_sources
from ssvif.data.pack import pack_pairs
from ssvif.data.packed import PairsFile
from ssvif.data.split import deal_pairs, read_splits, split_dataset
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.schema import SPLITS


@pytest.fixture
def flat(descriptor, raw):
    """The training folder alone, as a dataset without official splits, and its root."""
    layout = Layout("vi/{name}", "ir/{name}", "labels/{name}", "boxes/{name}.txt")
    return replace(descriptor, official_splits={}, layouts=(layout,), expected={}), raw / "training"


def test_pairs_are_found_with_what_annotation_they_have(descriptor, raw):
    found = find_pairs(descriptor, raw)
    assert [pair.pair_id for pair in found["train"]] == [f"{i:02d}" for i in range(12)]
    assert found["train"][0] == FoundPair("00", "training/vi/00.png", "training/ir/00.png", "training/labels/00.png")
    assert found["train"][4].label == ""
    assert [pair.boxes for pair in found["test"]] == [f"testing/boxes/{i:02d}t.txt" for i in range(3)]


def test_the_first_layout_that_fits_is_taken_and_text_around_names_is_stripped(flat):
    descriptor, root = flat
    (root / "ir").rename(root / "thermal")
    for path in sorted((root / "thermal").iterdir()):
        path.rename(path.with_name(f"FLIR_{path.stem}_8bit.PNG"))
    layouts = (Layout("Vis/{name}", "Ir/{name}"), Layout("vi/{name}", "thermal/FLIR_{name}_8bit"))
    found = find_pairs(replace(descriptor, layouts=layouts), root)
    assert found["all"][3] == FoundPair("03", "vi/03.png", "thermal/FLIR_03_8bit.PNG")


@pytest.mark.parametrize("side", ["vi", "ir"])
def test_missing_sides_are_listed(descriptor, raw, side):
    for i in range(7):
        (raw / "training" / side / f"{i:02d}.png").unlink()
    with pytest.raises(UserError) as caught:
        find_pairs(descriptor, raw)
    text = str(caught.value)
    present, absent = ("infrared", "visible") if side == "vi" else ("visible", "infrared")
    assert f"7 {present} images have no {absent} image of the same name: 00, 01, 02, 03, 04 and 2 more" in text
    assert f"{absent} images of the same names in {raw / 'training' / side}" in text
    assert "add the missing images" in text


@pytest.mark.parametrize("state", ["missing", "empty", "no images"])
def test_a_folder_without_images_is_named_with_the_setting_to_mend(descriptor, tmp_path, state):
    root = tmp_path / "elsewhere"
    if state != "missing":
        (root / ("training/vi" if state == "no images" else "")).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        find_pairs(descriptor, root)
    assert str(root) in str(caught.value)
    assert "data_root" in str(caught.value)


def test_official_splits_stay_and_validation_comes_from_train_with_its_share_of_labels(descriptor, raw, tmp_path):
    counts = split_dataset(descriptor, raw, tmp_path / "splits.csv", seed=0)
    assert counts == {"train": 9, "validation": 3, "test": 3}
    lines = read_csv(tmp_path / "splits.csv")
    assert Counter(line["split"] for line in lines if line["label"]) == {"train": 3, "validation": 1, "test": 3}
    assert [line["pair_id"] for line in lines if line["split"] == "test"] == ["00t", "01t", "02t"]
    order = [(SPLITS.index(line["split"]), line["pair_id"]) for line in lines]
    assert order == sorted(order)


def test_the_list_depends_on_the_seed_only(descriptor, raw, tmp_path):
    texts = []
    for number, seed in enumerate((3, 3, 4)):
        split_dataset(descriptor, raw, tmp_path / f"{number}.csv", seed=seed)
        texts.append((tmp_path / f"{number}.csv").read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_an_official_validation_is_kept_and_without_official_splits_the_ratios_decide(descriptor, raw, flat, tmp_path):
    shutil.copytree(raw / "testing", raw / "held_out")
    splits = {**descriptor.official_splits, "validation": "held_out"}
    counts = split_dataset(replace(descriptor, official_splits=splits), raw, tmp_path / "splits.csv", seed=0)
    assert counts == {"train": 12, "validation": 3, "test": 3}
    descriptor, root = flat
    counts = split_dataset(replace(descriptor, ratios=(0.5, 0.25, 0.25)), root, tmp_path / "splits.csv", seed=0)
    assert counts == {"train": 6, "validation": 3, "test": 3}


def test_another_count_than_expected_is_a_warning_only(descriptor, raw, tmp_path, caplog):
    split_dataset(descriptor, raw, tmp_path / "splits.csv", seed=0)
    assert not caplog.records
    split_dataset(replace(descriptor, expected={"test": 361}), raw, tmp_path / "splits.csv", seed=0)
    assert caplog.messages == ["Toy: 3 pairs found in test, the whole dataset has 361"]


def test_a_limit_keeps_the_share_of_labels(descriptor, raw, tmp_path):
    counts = split_dataset(descriptor, raw, tmp_path / "splits.csv", seed=0, limit={"train": 3, "test": 1})
    assert counts == {"train": 3, "validation": 3, "test": 1}
    rows = read_splits(tmp_path / "splits.csv")
    assert sum(bool(pair.label) for split, pair in rows if split == "train") == 1


@pytest.mark.parametrize("limit", [{"train": 0}, {"training": 3}])
def test_an_impossible_limit_is_refused(descriptor, raw, tmp_path, limit):
    with pytest.raises(UserError, match="fix `limit`"):
        split_dataset(descriptor, raw, tmp_path / "splits.csv", seed=0, limit=limit)


made_pairs = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60).map(
    lambda kinds: [FoundPair(f"{i:03d}", "v", "i", "l" * label, "b" * boxes) for i, (label, boxes) in enumerate(kinds)]
)


def flat_descriptor(validation=0.1, test=0.1):
    ratios = (1 - validation - test, validation, test)
    return Descriptor("toy", "Toy", "toy", (Layout("vi/{name}", "ir/{name}"),), ratios=ratios)


def deal(pairs, validation, test, seed, alike=None):
    """Deal pairs; each must be in one split, and neither training nor validation may be empty needlessly."""
    dealt = deal_pairs(flat_descriptor(validation, test), {"all": pairs}, seed=seed, alike=alike)
    assert sorted(pair.pair_id for split in SPLITS for pair in dealt[split]) == [pair.pair_id for pair in pairs]
    assert bool(dealt["train"]) == bool(pairs)
    assert bool(dealt["validation"]) == (len(pairs) > 1)
    return dealt


@given(made_pairs, st.floats(0.01, 0.6), st.floats(0, 0.3), st.integers(0, 99))
def test_dealing_loses_no_pair_and_leaves_none_without_training_or_validation(pairs, validation, test, seed):
    splits = deal(pairs, validation, test, seed)
    labels = sum(bool(pair.label) and bool(pair.boxes) for pair in pairs)
    in_validation = sum(bool(pair.label) and bool(pair.boxes) for pair in splits["validation"])
    assert labels < 2 or in_validation >= 1


@given(made_pairs, st.floats(0.01, 0.6), st.floats(0, 0.3), st.data())
def test_what_is_alike_is_in_one_split(pairs, validation, test, data):
    alike = {
        f"{i:03d}": f"{data.draw(st.integers(0, i - 1)):03d}" for i in range(1, len(pairs)) if data.draw(st.booleans())
    }
    dealt = deal(pairs, validation, test, 0, alike)
    split_of = {pair.pair_id: split for split in SPLITS for pair in dealt[split]}
    groups = len(pairs) - len(alike)
    assert groups == 1 or all(split_of[name] == split_of[first] for name, first in alike.items())
    assert alike or dealt == deal(pairs, validation, test, 0)


def test_pairs_alike_to_one_that_is_left_out_stay_together(flat):
    descriptor, root = flat
    found = find_pairs(descriptor, root)
    alike = {pair.pair_id: "gone" for pair in found["all"][:4]}
    for seed in range(5):
        dealt = deal_pairs(descriptor, found, seed=seed, alike=alike)
        assert sum(bool(alike.keys() & {pair.pair_id for pair in pairs}) for pairs in dealt.values()) == 1


@given(made_pairs, st.integers(1, 70), st.integers(0, 99))
def test_a_cut_is_exact_nested_and_in_proportion(pairs, most, seed):
    def cut(most):
        found = {"train": pairs, "validation": []}
        return deal_pairs(flat_descriptor(), found, seed=seed, limit={"train": most})["train"]

    kept = cut(most)
    assert len(set(kept)) == len(kept) == min(most, len(pairs))
    assert set(kept) <= set(cut(most + 1))
    for label in (True, False):
        share = sum(bool(pair.label) == label for pair in pairs)
        assert abs(sum(bool(pair.label) == label for pair in kept) * len(pairs) - share * len(kept)) <= 4 * len(pairs)


def test_m3fd_is_cut_8_1_1():
    pairs = [FoundPair(f"{i:05d}", "v", "i", "", "b") for i in range(4200)]
    splits = deal(pairs, 0.1, 0.1, 0)
    assert [len(splits[split]) for split in SPLITS] == [3360, 420, 420]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("training,a,v.png,i.png,,", "split 'training' is not one of"),
        ("train,,v.png,i.png,,", "not a plain name"),
        ("train,a/b,v.png,i.png,,", "not a plain name"),
        ("train,a,v.png,,,", "file is missing"),
        ("train,a", "file is missing"),
        ("train,a,../v.png,i.png,,", "leaves the dataset"),
        ("train,first,v.png,i.png,,", "listed twice"),
        ("test,second,v.png,i.png,,", "v.png is in line 2 already"),
    ],
)
def test_a_bad_line_of_the_list_is_named(tmp_path, line, message):
    path, columns = tmp_path / "splits.csv", "split,pair_id,visible,infrared,label,boxes\n"
    path.write_text(f"{columns}train,first,v.png,i.png,,\n{line}\n")
    with pytest.raises(UserError, match="line 3.*" + message):
        read_splits(path)
    for text in ("", "a,b\n1,2\n", "a,b\n1,2,3\n", columns):
        path.write_text(text)
        with pytest.raises(UserError, match="not a list of splits"):
            read_splits(path)


@pytest.mark.parametrize(("folder", "labelled"), [("MSRS", 63), ("RoadScene", 0), ("MSRS128", 0)])
def test_the_real_pairs_are_found(load, shared, tmp_path, folder, labelled):
    counts = split_dataset(load(folder.lower()), shared / "data" / folder, tmp_path / "splits.csv", seed=0)
    assert sum(counts.values()) == {"MSRS": 183, "RoadScene": 180, "MSRS128": 1083}[folder]
    assert sum(bool(pair.label) for _, pair in read_splits(tmp_path / "splits.csv")) == labelled


def test_a_dataset_to_train_on_alone_needs_no_test_split(load, tmp_path):
    """As config/datasets/msrs128.yaml; the folder `test` beside its training pairs is not read."""
    descriptor = load("msrs128")
    for split in ("train", "test"):
        for side, mode in (("vi", "RGB"), ("ir", "L")):
            folder = tmp_path / split / side
            folder.mkdir(parents=True)
            for index in range(10):
                Image.new(mode, (40, 36)).save(folder / f"{split}{index}.png")
    counts = split_dataset(descriptor, tmp_path, tmp_path / "splits.csv", seed=0)
    assert counts == {"train": 9, "validation": 1}
    pack_pairs(descriptor, tmp_path, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    assert PairsFile(tmp_path / "pairs.h5").splits() == ["train", "validation"]
    assert len(TrainingView(tmp_path / "pairs.h5", "train", 32, seed=0)) == 9


@pytest.mark.parametrize(
    ("visible", "infrared"), [("one/vi", "two/deep/ir"), ("one/vi/?.png", "two/deep/ir/?.*"), ("one/vi", "**/ir/*")]
)
def test_two_sources_anywhere_make_pairs(tmp_path, monkeypatch, visible, infrared):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "one/vi/a.png", tmp_path / "two/deep/ir/a.jpg"):
        path.parent.mkdir(parents=True)
        path.touch()
    found = find_sources(visible, infrared)
    (pair,) = found.pairs("all")
    assert (pair.visible, pair.infrared) == ("one/vi/a.png", "two/deep/ir/a.jpg")
    assert found.root == tmp_path
    assert found.descriptor.layouts[0] == Layout("one/vi/{name}", "two/deep/ir/{name}")


def test_sources_that_cannot_be_two_sides_are_told(tmp_path):
    for name in ("vi", "{ir}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    with pytest.raises(UserError, match="given for both sides"):
        find_sources(tmp_path / "vi", tmp_path / "vi" / ".." / "vi")
    with pytest.raises(UserError, match="gone does not exist"):
        find_sources(tmp_path / "vi", tmp_path / "gone")
    (pair,) = find_sources(tmp_path / "vi", tmp_path / "{ir}").pairs("all")
    assert pair.infrared == "{ir}/a.png"
