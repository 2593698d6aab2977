"""benchmarks/suite.py and scaling.py: what they do with measurements, not the measurements themselves."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """The suite, with three scripts of its own, of which the second fails."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import suite

    (tmp_path / "first.py").write_text(
        "import sys, pathlib; print('found'); pathlib.Path(sys.argv[-1].partition('=')[2]).write_text('{}')"
    )
    (tmp_path / "second.py").write_text("raise ValueError('nothing here')")
    (tmp_path / "third.py").write_text("import sys; print(sys.argv[1:])")
    kinds = {
        "first": suite.Benchmark("", writes_json=True),
        "second": suite.Benchmark(""),
        "third": suite.Benchmark("-q"),
    }
    monkeypatch.setattr(suite, "BENCHMARKS", kinds)
    monkeypatch.setattr(suite, "HERE", tmp_path)
    return suite


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling

    return scaling


def call(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    module.main()


def test_what_fails_is_named_at_the_end_and_stops_nothing(suite, monkeypatch, tmp_path):
    output = tmp_path / "bench"
    with pytest.raises(SystemExit, match=r"failed: second \(exit code 1\)"):
        call(suite, monkeypatch, "--output", output, "--only", "first,second,third")
    assert (output / "first.txt").read_text() == "found\n"
    assert (output / "first.json").read_text() == "{}"
    assert "nothing here" in (output / "second.txt").read_text()
    assert (output / "third.txt").read_text() == "[]\n"
    assert {"cpu", "cores", "memory_gib", "load", "commit", "python", "torch"} <= set(
        json.loads((output / "machine.json").read_text())
    )


def test_a_quick_try_of_one(suite, monkeypatch, tmp_path, capsys):
    call(suite, monkeypatch, "--output", tmp_path / "bench", "--only", "third", "--quick")
    assert "['-q']" in capsys.readouterr().out
    assert not (tmp_path / "bench/first.txt").exists()


def test_an_unknown_benchmark_is_refused(suite, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(suite, monkeypatch, "--only", "fourth")
    assert "there are first, second, third" in capsys.readouterr().err


def points_of(case, curve, sizes, seconds):
    return [
        {"case": case, "curve": curve, "size": size, "seconds": each, "mib": 2.0 * size}
        for size, each in zip(sizes, seconds, strict=True)
    ]


def test_growth_is_that_of_the_last_two_points(scaling):
    case = scaling.CASES["image"]  # n is the number of pixels
    points = points_of("image", "fast", [1, 2, 4], [0.5, 1.0, 16.0])
    assert scaling.growth(points, case, "seconds") == pytest.approx(2)
    assert scaling.growth(points, case, "mib") == pytest.approx(0.5)
    assert scaling.growth(points[:1], case, "seconds") is None


def test_the_next_point_is_predicted_in_proportion_or_as_it_grew_if_that_is_more(scaling):
    case = scaling.CASES["pairs"]
    assert scaling.predict([], case, 10) == 0
    assert scaling.predict(points_of("pairs", "check", [10, 100], [1.0, 2.0]), case, 1000) == pytest.approx(20)
    assert scaling.predict(points_of("pairs", "check", [10, 100], [1.0, 100.0]), case, 1000) == pytest.approx(10_000)


def test_what_is_measured_stays_a_curve_ends_at_the_limit_and_a_failure_is_told(scaling, monkeypatch, tmp_path, capsys):
    output, asked = tmp_path / "points.json", []

    def measure(name, size, curves):
        asked.append((name, size, *curves))
        if curves == ["emma"] and size == 256:
            raise scaling.subprocess.CalledProcessError(1, "measure", stderr="out of memory")
        return [point for curve in curves for point in points_of(name, curve, [size], [size**2 / 10_000])]

    monkeypatch.setattr(scaling, "measure", measure)
    arguments = ["--cases", "image", "--output", output, "--limit", 7, "--figure", tmp_path / "curves.png"]
    with pytest.raises(SystemExit, match="failed: image emma 256"):
        call(scaling, monkeypatch, *arguments)
    assert [each for each in asked if each[2] == "fast"] == [("image", 128, "fast"), ("image", 256, "fast")]
    assert "out of memory" in (told := capsys.readouterr().out)
    assert "512 left out: about 26 s, the limit is 7" in told
    assert "| Fusing a pair: fast | 256² pixels of the image | 6.55 s | n^1.00 | 512 MiB | n^0.50 |" in told
    with Image.open(tmp_path / "curves.png") as figure:
        assert figure.width > 800

    asked.clear()
    with pytest.raises(SystemExit):
        call(scaling, monkeypatch, *arguments)
    assert asked == [("image", 256, "emma")]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux's count of memory")
def test_memory_that_was_freed_is_not_held(monkeypatch):
    """In pieces that the C library keeps until it is told otherwise, since the last one is still in use."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from machine import forget_peak, peak_mib

    forget_peak()
    before = peak_mib()
    held = [b"x" * 100_000 for _ in range(2000)]
    assert peak_mib() > before + 150
    del held[:-1]
    forget_peak()
    assert peak_mib() < before + 50


@pytest.mark.parametrize("size", ["256x256", "640x480"])
def test_each_row_of_the_networks_figure_has_its_own_labels(monkeypatch, tmp_path, size):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import networks_figure
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    cost = {"ours": {"seconds": 1.0, "mib": 1.0}, "original": {"seconds": 2.0, "mib": 2.0}}
    macs = {"256x256 macs": 1e9, "640x480 macs": 5e9}
    networks_figure.draw({"a": {**macs, "256x256": cost, "640x480": cost}}, tmp_path / "figure.png")
    time = next(each for each in drawn[0].axes if each.get_title("left") == size.replace("x", "×"))
    assert [each.get_text() for each in time.get_yticklabels()] == [f"a ({macs[f'{size} macs'] / 1e9:g} G)"]
