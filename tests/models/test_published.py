import json
import logging
import re
import zipfile
from dataclasses import replace
from itertools import product

import pytest
import torch
from safetensors.torch import save_file

from reference.recipe import mrfs_shapes
from reference.released import NAMES, draw_entry, released_state
from ssvif.io.errors import UserError
from ssvif.models.names import channel_choices, path_of_class
from ssvif.models.published import dead_parameters, load_published
from ssvif.models.registry import build_fusion_model
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import FUSION_NETWORKS

# how many entries a released file has, and how many of them are dropped
COUNTS = {"swinfusion": (448, 44), "seafusion": (72, 20), "emma": (347, 0), "sage": (121, 0), "cddfuse": (158, 0)}
COUNTS |= {"mrfs": (1914, 0), "timfusion": (222, 20), "timfusion_light": (49, 0), "segmif": (686, 454)}
FORMS = [(name, channels) for name in PUBLISHED for channels in channel_choices(name)]


def same_values(name, state, model):
    """Whether every weight of a network is the one of its released name, and none is left over."""
    released, own = PUBLISHED[name], model.state_dict()
    kept = {released.rename(each): value for each, value in state.items() if not released.why_dropped(each)}
    made = {
        names: torch.cat([own.pop(each) for each in names]) if len(names) > 1 else own.pop(*names) for names in kept
    }
    return not own and all(torch.equal(made[names], kept[names]) for names in kept)


@pytest.mark.parametrize(("name", "channels"), FORMS)
def test_a_released_state_comes_in(name, channels):
    state = released_state(name, channels)
    model = load_published(name, state)
    assert path_of_class(type(model)) == FUSION_NETWORKS[name]
    assert model.channels == channels
    assert not model.training
    assert same_values(name, state, model)


def specified(shared, name, channels):
    """The names and shapes of a released checkpoint."""
    other = channels != channel_choices(name)[0]
    if other and name not in ("swinfusion", "seafusion", "emma"):
        pytest.skip("no specification of this form")
    file = f"state_dict_{name.removesuffix('_light')}{'_3ch' if other else ''}.json"
    found = json.loads((shared / "specs" / file).read_text(encoding="utf-8"))
    if name == "timfusion_light":
        return found["light"]
    if name == "mrfs":
        return mrfs_shapes(found)
    parts = PUBLISHED[name].parts
    return [(f"{part}.{key}", shape) for part in parts for key, shape in found[part]] if parts else found


@pytest.mark.parametrize(("name", "channels"), FORMS)
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


@pytest.mark.parametrize(("name", "channels"), FORMS)
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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_of_values_that_are_not_finite_is_refused(value):
    state = released_state("sage")
    name = next(each for each in state if each.endswith("bias"))
    error = fails("sage", state | {name: torch.full_like(state[name], value)})
    assert error.what == "The state dictionary is damaged"
    assert error.got == f"{name} holds values that are not finite"


@pytest.mark.parametrize("row", [0, -1])
def test_each_row_of_an_entry_that_becomes_two_is_looked_at(row):
    """Of MiT's keys and values, which lie in one matrix."""
    state = released_state("segmif")
    name = "seg.denoise_net.encoder.block1.0.attn.kv.weight"
    state[name][row, 0] = float("nan")
    assert fails("segmif", state).got == f"{name} holds values that are not finite"
    error = fails("segmif", state | {name: state[name][1:64]})
    assert error.got == f"1 of another shape: {name} (63, 64) instead of (128, 64)"


def test_weights_may_be_halves_but_no_other_kind_of_tensor():
    state = released_state("sage")
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    assert load_published("sage", halves).reconstruct.weight.dtype == torch.float32
    name = "final_decoder.0.weight"
    for other in (state[name].to_sparse(), state[name].to("meta"), state[name].to(torch.complex64)):
        assert error_is_about(name, fails("sage", state | {name: other}))
    assert "int64, not torch.float32" in fails("sage", state | {name: state[name].long()}).got


def error_is_about(name, error):
    return error.what == "The state dictionary is not a state dictionary" and name in error.got


def test_an_unknown_name_is_told():
    assert fails("nosuch", {}).what == "No released checkpoint of 'nosuch' is known"
    with pytest.raises(UserError, match="'nosuch'") as caught:
        dead_parameters("nosuch", 1)
    assert "seafusion" in caught.value.expected


def test_a_missing_file_is_named(tmp_path):
    error = fails("seafusion", tmp_path / "none.pth")
    assert error.what == f"{tmp_path / 'none.pth'} does not exist"
    assert "`ssvif models NAME` says from where" in error.remedy


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
    error = fails(asked, dict.fromkeys(NAMES[given](), torch.zeros(1)))
    assert error.what == f"The state dictionary is not a checkpoint of {asked}"
    assert error.got.startswith(f"it looks like {given}; it begins with ")
    assert error.remedy == f"name {given} as its network (`fusion_model`, --network)"


def in_dictionaries(name):
    """A network's released state dictionary as one for each part, as the authors saved them."""
    state = {part: {} for part in PUBLISHED[name].parts}
    for key in NAMES[name]():
        part, _, rest = key.partition(".")
        state[part][rest] = torch.zeros(1)
    return state


IN_PARTS = [name for name, released in PUBLISHED.items() if released.parts]


@pytest.mark.parametrize(("asked", "given"), [each for each in product(NAMES, IN_PARTS) if each[0] != each[1]])
def test_another_networks_checkpoint_in_parts_is_recognised(asked, given):
    """All in one file, under a key of a training script, or one part alone."""
    parts = in_dictionaries(given)
    parallel = {f"module.{part}": {f"module.{key}": each for key, each in parts[part].items()} for part in parts}
    for content in (parts, {"state_dict": parts}, parallel):
        assert fails(asked, content).got.startswith(f"it looks like {given}; ")
    for part, state in parts.items():
        error = fails(asked, {"model": state})
        assert error.got.startswith(f"it looks like {part} of {given}; ")
        assert error.remedy == f"name {given} as its network (`fusion_model`, --network)"


@pytest.mark.parametrize("name", ["sage", "timfusion_light", "emma"])
def test_of_a_third_of_a_checkpoint_the_rest_is_missing(name):
    """It is a checkpoint of the network, even where another one's begins alike, as TIMFusion's do."""
    state = released_state(name)
    error = fails(name, dict(list(state.items())[: len(state) // 3]))
    assert error.what == f"The state dictionary does not fit {name}"
    assert " missing: " in error.got


@pytest.mark.parametrize("name", ["timfusion", "segmif"])
def test_exchanged_files_are_told(tmp_path, name):
    (first, one), (second, other) = PUBLISHED[name].parts.items()
    state = in_dictionaries(name)
    torch.save(state[second], tmp_path / one)
    torch.save(state[first], tmp_path / other)
    error = fails(name, tmp_path)
    assert error.got.startswith(f"it looks like {second} of {name} as {first}, {first} of {name} as {second}; ")
    assert error.remedy == "put each part in its own place"


def test_parts_under_a_key_of_a_training_script_come_in():
    state = released_state("cddfuse")
    parts = {part: {} for part in PUBLISHED["cddfuse"].parts}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        parts[part][f"module.{rest}"] = value
    assert same_values("cddfuse", state, load_published("cddfuse", {"state_dict": parts}))


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


PARTS = {"visible": "one.pth", "rest": "two.pth"}


@pytest.fixture
def in_parts(monkeypatch):
    """A network whose authors released two dictionaries: the change of its naming, and both under their parts."""
    state = released_state("seafusion")
    renames = ((r"^(visible|rest)\.", ""), *PUBLISHED["seafusion"].renames)
    dropped = {r"\.bn\.": "never called"}
    monkeypatch.setitem(
        PUBLISHED, "seafusion", replace(PUBLISHED["seafusion"], renames=renames, dropped=dropped, parts=PARTS)
    )
    visible = {key: value for key, value in state.items() if key.startswith("vis_")}
    return {"visible": visible, "rest": {key: value for key, value in state.items() if key not in visible}}


def flat(parts):
    return {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}


def test_parts_come_in_one_file_or_in_a_folder_of_files(tmp_path, in_parts):
    parallel = {part: {f"module.{key}": value for key, value in state.items()} for part, state in in_parts.items()}
    for content in (in_parts, parallel, flat(in_parts), parallel | {"epoch": 3}):
        torch.save(content, tmp_path / "released.pth")
        assert same_values("seafusion", flat(in_parts), load_published("seafusion", tmp_path / "released.pth"))
    for part, file in PARTS.items():
        torch.save(parallel[part], tmp_path / file)
    assert same_values("seafusion", flat(in_parts), load_published("seafusion", tmp_path))


def test_a_missing_part_is_named(tmp_path, in_parts):
    error = fails("seafusion", {"rest": in_parts["rest"]})
    assert error.what == "The state dictionary lacks visible"
    assert (error.expected, error.got) == ("a state dictionary for each of visible, rest", "only rest")
    assert fails("seafusion", flat({"visible": in_parts["visible"]})).what == "The state dictionary lacks rest"
    assert fails("seafusion", in_parts | {"rest": None}).what == "The state dictionary: rest is not a state dictionary"
    torch.save(in_parts["visible"], tmp_path / "one.pth")
    assert fails("seafusion", tmp_path).what == f"{tmp_path / 'two.pth'} does not exist"
    torch.save([1], tmp_path / "two.pth")
    assert fails("seafusion", tmp_path).what == f"{tmp_path}: rest is not a state dictionary"


def test_one_of_several_files_is_told_from_all(tmp_path, in_parts, monkeypatch):
    monkeypatch.setitem(
        PUBLISHED, "seafusion", replace(PUBLISHED["seafusion"], renames=((r"^rest\.|^visible\.", "x"),))
    )
    torch.save(in_parts["visible"], tmp_path / "one.pth")
    error = fails("seafusion", tmp_path / "one.pth")
    assert error.expected == "a folder with one.pth and two.pth of seafusion as released"


@pytest.mark.parametrize("name", ["emma", "cddfuse"])
def test_a_folder_is_no_checkpoint_of_a_network_in_one_file(tmp_path, name):
    assert fails(name, tmp_path).what == f"{tmp_path} is a folder, not a file"


@pytest.mark.parametrize("shape", [(), (1, 64), (127, 64)])
def test_what_cannot_be_shared_out_is_told(shape):
    """One released entry holds the keys' and the values' weights."""
    name = "seg.denoise_net.encoder.block1.0.attn.kv.weight"
    error = fails("segmif", released_state("segmif") | {name: torch.zeros(shape)})
    assert error.what == "The state dictionary does not fit segmif"
    assert f"of another shape: {name} " in error.got
