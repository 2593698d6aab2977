from pathlib import Path

import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.training.checkpoint import load_state, save_state, state_key

STATE = {
    "weights": {"a": torch.arange(4.0)},
    "history": [{"epoch": 1, "stage": "fusion", "train_loss": 0.1}],
    "best": None,
    "nested": {"losses": [1.5, 2.5], "alpha": 0.25},
}


def test_a_state_comes_back(tmp_path):
    path = tmp_path / "deep" / "state.pt"
    assert load_state(path, "key") is None
    save_state(path, "key", STATE)
    back = load_state(path, "key")
    assert torch.equal(back.pop("weights")["a"], STATE["weights"]["a"])
    assert back == {name: value for name, value in STATE.items() if name != "weights"}
    assert [each.name for each in path.parent.iterdir()] == ["state.pt"]


def test_another_trainings_state_is_ignored_and_kept(tmp_path, log):
    path = tmp_path / "state.pt"
    save_state(path, "key", STATE)
    before = path.read_bytes()
    assert load_state(path, "other") is None
    assert "state.pt belongs to other settings or data" in log.text
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "header only"])
def test_a_damaged_state_is_ignored_with_a_warning(tmp_path, caplog, damage):
    path = tmp_path / "state.pt"
    save_state(path, "key", STATE)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "flipped": whole[:200] + bytes(255 - each for each in whole[200:400]) + whole[400:],
            "header only": whole[:4],
        }[damage]
    )
    assert load_state(path, "key") is None
    assert "state.pt cannot be read and is ignored" in caplog.text


def test_nothing_in_a_state_is_run(tmp_path):
    class Spy:
        def __reduce__(self):
            return Path.touch, (tmp_path / "run",)

    save_state(tmp_path / "state.pt", "key", STATE | {"best": Spy()})
    assert load_state(tmp_path / "state.pt", "key") is None
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content", [{"state": {}}, [1, 2], torch.zeros(3), b"my thesis", b"cos\nsystem\n(S'true'\ntR."]
)
def test_a_file_of_something_else_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "state.pt"
    torch.save(content, path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"state\.pt is no state of a training, and would be lost"):
        load_state(path, "key")
    assert path.read_bytes() == before


def test_keys_follow_the_parts_and_not_their_order():
    key = state_key(options={"a": 1, "b": 2}, data="x")
    assert key == state_key(data="x", options={"b": 2, "a": 1})
    assert key != state_key(options={"a": 1, "b": 3}, data="x")
    assert key != state_key(options={"a": 1, "b": 2}, data="y")
