import json
import logging
import re
import zipfile
from itertools import product

import pytest
import torch
from safetensors.torch import save_file

from reference.released import NAMES, draw_entry, released_state
from ssvif.io.errors import UserError
from ssvif.models.published import PUBLISHED, dead_parameters, load_published
from ssvif.models.registry import build_fusion_model

# how many entries a released file has, and how many of them are dropped
COUNTS = {"swinfusion": (448, 44), "seafusion": (72, 20), "emma": (347, 0), "sage": (121, 0)}
FORMS = {1: "", 3: "_3ch"}


def same_values(name, state, model):
    """Whether every weight of a network is the one of its released name, and none is left over."""
    released, own = PUBLISHED[name], model.state_dict()
    kept = {released.rename(each): value for each, value in state.items() if not released.why_dropped(each)}
    return own.keys() == kept.keys() and all(torch.equal(own[each], kept[each]) for each in own)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_released_state_comes_in(name, channels):
    state = released_state(name, channels)
    model = load_published(name, state)
    assert type(model) is type(build_fusion_model(name))
    assert model.channels == channels
    assert not model.training
    assert same_values(name, state, model)


def specified(shared, name, channels):
    """The names and shapes of a released file; SAGE's is specified for one channel alone."""
    if (name, channels) == ("sage", 3):
        pytest.skip("no specification of this form")
    return json.loads((shared / "specs" / f"state_dict_{name}{FORMS[channels]}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "channels"), list(product(NAMES, FORMS)))
def test_every_entry_of_the_specification_has_its_place(shared, name, channels):
    random = torch.Generator().manual_seed(0)
    state = {key: draw_entry(key, shape, random) for key, shape in specified(shared, name, channels)}
    assert set(state) == set(NAMES[name]())
    assert same_values(name, state, load_published(name, state))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_dropped_is_counted_and_told(name, caplog):
    state = released_state(name)
    with caplog.at_level(logging.INFO, logger="ssvif"):
        load_published(name, state)
    told = {each.args[2]: each.args[1] for each in caplog.records}
    assert set(told) == set(PUBLISHED[name].dropped.values())
    assert (len(state), sum(told.values())) == COUNTS[name]


@pytest.mark.parametrize(("name", "channels"), list(product(NAMES, FORMS)))
def test_dead_parameters_are_those_of_the_specification(shared, name, channels):
    shapes = specified(shared, name, channels)
    counted = re.compile(r"\.(weight|bias)$")  # buffers are no parameters
    dropped = [shape for key, shape in shapes if counted.search(key) and PUBLISHED[name].why_dropped(key)]
    assert dead_parameters(name, channels) == sum(torch.Size(shape).numel() for shape in dropped)


def test_files_are_read_however_they_were_saved(tmp_path):
    state = released_state("seafusion")
    parallel = {f"module.{key}": value for key, value in state.items()}
    for content in (state, {"params": state}, {"state_dict": parallel, "epoch": 3}):
        torch.save(content, tmp_path / "released.pth")
        assert same_values("seafusion", state, load_published("seafusion", tmp_path / "released.pth"))
    save_file(state, tmp_path / "released.safetensors")
    assert same_values("seafusion", state, load_published("seafusion", str(tmp_path / "released.safetensors")))


def fails(name, source):
    with pytest.raises(UserError) as caught:
        load_published(name, source)
    assert caught.value.expected or caught.value.remedy
    return caught.value


def test_an_unknown_name_is_told():
    assert fails("nosuch", {}).what == "No released checkpoint of 'nosuch' is known"
    with pytest.raises(UserError, match="'nosuch'") as caught:
        dead_parameters("nosuch", 1)
    assert "seafusion" in caught.value.expected


def test_a_missing_file_is_named(tmp_path):
    error = fails("seafusion", tmp_path / "none.pth")
    assert error.what == f"{tmp_path / 'none.pth'} does not exist"
    assert "checkpoint" in error.remedy


class Unwelcome:
    """What only a pickle could hold."""


def test_what_cannot_be_read_is_named(tmp_path):
    torch.save(released_state("seafusion"), whole := tmp_path / "whole.pth")
    save_file(released_state("seafusion"), tmp_path / "whole.safetensors")
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-4000])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-9])
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "page.pth").write_text("<html>Sign in to download</html>", encoding="utf-8")
    torch.save({"network": Unwelcome()}, tmp_path / "object.pth")
    for name in ("cut.pth", "cut.safetensors", "empty.pth", "page.pth", "object.pth"):
        error = fails("seafusion", tmp_path / name)
        assert error.what == f"{tmp_path / name} cannot be read as a checkpoint"
        assert error.got
        assert "\n" not in error.got


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({}, "nothing"),
        ([1, 2], "list"),
        (torch.zeros(3), "Tensor"),
        ({"epoch": 3, "loss": 0.5}, "'epoch': int, 'loss': float"),
        ({"state_dict": {"a": torch.zeros(1), 1: torch.zeros(1)}}, "1: Tensor"),
    ],
)
def test_what_is_no_state_dictionary_is_told(tmp_path, content, got):
    torch.save(content, tmp_path / "other.pth")
    error = fails("seafusion", tmp_path / "other.pth")
    assert error.what == f"{tmp_path / 'other.pth'} is not a state dictionary"
    assert error.got == got


@pytest.mark.parametrize(("asked", "given"), [each for each in product(NAMES, NAMES) if each[0] != each[1]])
def test_another_networks_checkpoint_is_recognised(asked, given):
    error = fails(asked, released_state(given))
    assert error.what == f"The state dictionary is not a checkpoint of {asked}"
    assert error.got.startswith(f"it looks like {given}; it begins with ")
    assert error.remedy == f"name {given} as its network (`fusion_model`, --network)"


def test_a_checkpoint_of_nothing_known_is_told():
    error = fails("emma", {"backbone.0.weight": torch.zeros(2), "backbone.0.bias": torch.zeros(2)})
    assert error.got == "it looks like no network known here; it begins with backbone.0.bias, backbone.0.weight"


def test_our_own_names_are_no_released_ones():
    error = fails("emma", build_fusion_model("emma").state_dict())
    assert "not a checkpoint of emma" in error.what


@pytest.mark.parametrize(
    ("name", "entry", "shape"),
    [
        ("emma", "V_en_1.embed.weight", (8, 2, 3, 3)),
        ("emma", "V_en_1.embed.weight", (8,)),
        ("sage", "final_decoder.0.weight", (2, 32, 3, 3)),  # its first convolution takes both images at once
    ],
)
def test_other_numbers_of_channels_are_told(name, entry, shape):
    error = fails(name, released_state(name, 3) | {entry: torch.zeros(shape)})
    assert (error.expected, error.got) == ("1 or 3 channels", f"{entry} of shape {shape}")


def test_what_does_not_fit_is_named_by_its_released_name():
    state = released_state("seafusion")
    del state["vis_conv.conv.weight"], state["decode1.conv.bias"]
    state |= {"extra.weight": torch.zeros(1), "decode2.conv.bias": torch.zeros(17)}
    error = fails("seafusion", state)
    assert error.what == "The state dictionary does not fit seafusion"
    assert error.got == (
        "2 missing: reconstruct.6.bias, visible_encoder.0.weight; 1 unexpected: extra.weight; "
        "1 of another shape: decode2.conv.bias (17,) instead of (16,)"
    )


@pytest.mark.parametrize("key", ["params", "state_dict", "model"])
def test_a_checkpoint_that_holds_itself_is_refused(tmp_path, key):
    loop = {}
    loop[key] = loop
    torch.save(loop, tmp_path / "loop.pth")
    assert "is not a state dictionary" in fails("sage", tmp_path / "loop.pth").what


def test_a_checkpoint_unpacks_to_no_more_than_it_holds(tmp_path):
    """torch.save does not compress, so who compresses it means something else."""
    torch.save({"a": torch.zeros(2_000_000)}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(tmp_path / "packed.pth", "w", 8) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "packed.pth").stat().st_size < 100_000
    error = fails("sage", tmp_path / "packed.pth")
    assert error.what.endswith("cannot be read as a checkpoint")
    assert "8.0 MB unpacked, of 0.0 MB" in error.got


def test_strange_keys_are_told_in_one_line(tmp_path):
    nested = ()
    for _ in range(15):
        nested = (nested, nested)
    torch.save({nested: 1, "x" * 100_000: 2}, tmp_path / "keys.pth")
    assert len(str(fails("sage", tmp_path / "keys.pth"))) < 2000
