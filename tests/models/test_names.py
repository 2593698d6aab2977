import pytest

from ssvif import schema
from ssvif.io.errors import UserError
from ssvif.io.fingerprint import fingerprint
from ssvif.models import names
from ssvif.models.inference import INFERENCES
from ssvif.models.published import PUBLISHED


def take(model):
    return names.network_fingerprint(model, "ssvif.training.loop")


def test_names_that_the_configuration_checks_are_those_there_are():
    assert tuple(INFERENCES) == schema.INFERENCE_NAMES
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
    (tmp_path / "built.py").write_text("from ssvif.models.emma import EMMA\n")
    assert fingerprint("built") != fingerprint("built", without={"ssvif.models.emma"})


@pytest.mark.parametrize("name", [":", "mine", "mine:", ":Net", "my mod:Net"])
def test_what_is_no_path_is_refused(name):
    for function in (names.class_path, take):
        with pytest.raises(UserError, match=f"Unknown fusion model '{name}'"):
            function(name)
