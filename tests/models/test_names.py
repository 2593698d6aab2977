from __future__ import annotations

import pytest

from ssvif import schema
from ssvif.io.errors import UserError
from ssvif.io.fingerprint import _code, _imports, _tree
from ssvif.models import names
from ssvif.models.inference import INFERENCES
from ssvif.models.published import PUBLISHED


def take(model):
    _tree.cache_clear()
    _code.cache_clear()
    return names.network_fingerprint(model, "ssvif.training.loop")


def test_names_that_the_configuration_checks_are_those_there_are():
    assert tuple(INFERENCES) == schema.INFERENCES
    assert set(PUBLISHED) == set(schema.PUBLISHED_MODELS)


def test_networks_have_fingerprints_of_their_own(monkeypatch):
    taken = {name: take(name) for name in names.FUSION_MODELS}
    assert len(set(taken.values())) == len(taken)
    monkeypatch.setitem(names.FUSION_MODELS, "another", "ssvif.models.another:Another")
    assert {name: take(name) for name in taken} == taken  # a new network makes no other one old


def test_an_own_networks_file_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text("SCALE = 1\n")
    before = take("mine:Net")
    file.write_text("# a comment\nSCALE = 1\n")
    assert take("mine:Net") == before
    file.write_text("SCALE = 2\n")
    assert take("mine:Net") != before


def test_a_network_of_ours_that_an_own_one_builds_on_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.py").write_text("SCALE = 1\n")
    (tmp_path / "built.py").write_text("from ssvif.models.emma import EMMA\n")
    reached = {}

    def note(*modules, without=()):
        reached[modules[-1]] = (modules, set(without))
        return "digest"

    monkeypatch.setattr(names, "fingerprint", note)
    names.network_fingerprint("built:Net", "ssvif.training.loop")
    assert reached["built"] == (("ssvif.training.loop", "built"), {"ssvif.models.names"})
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert "ssvif.models.emma" in _imports([_tree(tmp_path / "built.py")])
    assert take("alone:Net") != take("built:Net")


@pytest.mark.parametrize("name", [":", "mine", "mine:", ":Net", "my mod:Net"])
def test_what_is_no_path_is_refused(name):
    with pytest.raises(UserError, match="Unknown fusion model"):
        names.class_path(name)


def test_an_unknown_name_is_told():
    with pytest.raises(UserError, match="Unknown fusion model 'nosuch'"):
        take("nosuch")
