"""Every verb that takes your own images pairs and reads them by the same options."""

import shutil

import numpy as np
import pytest

from roadscenes.render import render_scene
from ssvif.data.packed import PairsFile
from ssvif.data.prepare import find_own_pairs, pack_own_pairs
from ssvif.io.files import read_csv, read_image, write_png
from ssvif.pairs.pair import Rules
from ssvif.pairs.pairing import Pairing

SECONDS = ("10", "13", "16", "19")
WAYS = {  # how the same four pairs lie in the files
    "patterns": (("cam/{*}_*_W.png", "cam/{*}_*_T.png"), ()),
    "number": (("cam/{*}_*_W.png", "cam/{*}_*_T.png"), ("--pair-by", "number")),
    "time": (("cam/*_W.png", "cam/*_T.png"), ("--pair-by", "time", "--tolerance", "1.5")),
    "list": ((), ("--pair-list", "pairs.csv")),
    "rows": (("both",), ("--both-in-one", "rows")),
    "brackets": (("cam[1]/*_W.png", "cam[1]/*_T.png"), ("--pair-by", "time")),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of four pairs, in every layout of `WAYS`."""
    root = tmp_path_factory.mktemp("drawn")
    lines = ["visible,infrared,name"]
    for number, second in enumerate(SECONDS):
        scene = render_scene(number, 96, 128, "day")
        gray = np.repeat(scene.infrared[..., None], 3, axis=2)
        later = f"{int(second) + number % 2:02}"
        names = f"20240501_1012{second}_000{number}_W.png", f"20240501_1012{later}_000{number}_T.png"
        for name, image in zip(names, (scene.visible, scene.infrared), strict=True):
            write_png(root / "cam" / name, image)
            write_png(root / "cam[1]" / name, image)
        write_png(root / f"both/000{number}.png", np.concatenate([scene.visible, gray]))
        lines.append(f"cam/{names[0]},cam/{names[1]},000{number}")
    (root / "pairs.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("way", WAYS)
def test_one_pairing_in_every_verb(drawn, tmp_path, monkeypatch, call, way):
    monkeypatch.chdir(drawn)
    sources, options = WAYS[way]
    named = [word for pair in zip(("--visible", "--infrared"), sources, strict=False) for word in pair]

    def run(verb, *words):
        status, output, errors = call(verb, *words, *options)
        assert status == 0, errors
        return output

    run("fuse", *sources, "-o", tmp_path / "fused", "--baseline", "infrared")
    fused = {path.name: read_image(path) for path in (tmp_path / "fused").glob("*.png")}
    assert len(fused) == 4
    scene = render_scene(2, 96, 128, "day")
    assert any(np.array_equal(image[..., 0], scene.infrared) for image in fused.values())
    scores = tmp_path / "scores.csv"
    run("score", *named, "--fused", tmp_path / "fused", "--output", scores, "--metrics", "en", "--device", "cpu")
    assert len(read_csv(scores)) == 4
    output = run("check", *named, "--fix-list", tmp_path / "good.csv")
    assert output.startswith("4 pairs")
    assert len(read_csv(tmp_path / "good.csv")) == 4
    assert "from 4 pairs" in run("align", *named, "--output", tmp_path / "a.json", "--model", "translation")


def test_files_that_hold_both_sides_are_packed_for_training(drawn, tmp_path):
    pairing, rules = Pairing(both_in_one="rows"), Rules(both_in_one="rows")
    own = find_own_pairs(drawn / "both", None, pairing=pairing)
    assert own.digest(rules, None) != own.digest(Rules(), None)
    pack_own_pairs(own, tmp_path, rules=rules)
    packed = PairsFile(tmp_path / "pairs.h5")
    (split,) = (split for split in packed.splits() if "0002" in packed.names(split))
    scene = render_scene(2, 96, 128, "day")
    np.testing.assert_array_equal(packed.visible(split, "0002"), scene.visible)
    np.testing.assert_array_equal(packed.infrared(split, "0002"), scene.infrared)


def test_check_judges_labels_by_the_size_that_pack_gives_them(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        scene = render_scene(number, 96, 128, "day")
        write_png(tmp_path / f"data/vi/{number}.png", scene.visible)
        write_png(tmp_path / f"data/ir/{number}.png", scene.infrared[::2, ::2])
        write_png(tmp_path / f"data/labels/{number}.png", np.full((48, 64), number % 2, np.uint8))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\nfolder: data\nlayouts:\n"
        "  - {visible: 'vi/{name}', infrared: 'ir/{name}', label: 'labels/{name}'}\n"
        "classes:\n  - {id: 0, name: ground, color: [0, 0, 0]}\n  - {id: 1, name: car, color: [9, 9, 9]}\n"
    )
    dataset = ["--dataset", "mine.yaml", "--data-root", "."]
    assert call("check", *dataset)[0] == 1
    assert "are below the range 280:320" in call("check", *dataset, "--infrared-range", "280:320")[1]
    assert call("check", *dataset, "--resize", "infrared")[0] == 1
    assert call("check", *dataset, "--resize", "error")[0] == 1
    status, output, _ = call("check", *dataset, "--resize", "visible", "--fix-list", "good.csv")
    assert (status, "0 errors" in output) == (0, True)
    packing = [*dataset, "--splits", "good.csv", "--output", "pairs.h5", "--resize", "visible"]
    assert call("pack", *packing)[0] == 0
    shutil.rmtree(tmp_path / "data/labels")
    assert call("check", *dataset, "--resize", "infrared")[0] == 0
