import logging
import sys
import time

import pytest

from ssvif.io.progress import format_seconds, rate, track, track_within


@pytest.fixture
def clock(monkeypatch):
    """A clock of which the test decides."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("items", "options", "step_s", "lines"),
    [
        (
            range(10),
            {},
            15,
            [
                "2/10, about 2 min 00 s left",
                "4/10, about 1 min 30 s left",
                "6/10, about 1 min 00 s left",
                "8/10, about 30 s left",
                "10/10, about 0 s left",
            ],
        ),
        ([3, 1, 2], {}, 1, []),  # short work says nothing
        ([], {}, 1, []),
        (iter("ab"), {"every_s": 1}, 2, ["1", "2"]),
        (iter("ab"), {"every_s": 1, "total": 2}, 2, ["1/2, about 2 s left", "2/2, about 0 s left"]),
        (
            range(4),
            {"every_s": 1, "unit": "frames"},
            0.5,
            ["2/4, 2.0 frames/s, about 1 s left", "4/4, 2.0 frames/s, about 0 s left"],
        ),
    ],
)
def test_a_log_gets_lines_with_what_is_left(clock, caplog, items, options, step_s, lines):
    with caplog.at_level(logging.INFO, "ssvif"):
        for _ in track(items, "packing", **options):
            clock[0] += step_s
    assert [each.message for each in caplog.records] == [f"packing {line}" for line in lines]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_a_terminal_gets_a_bar_with_the_speed(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    def slowly():
        for i in range(40):
            time.sleep(0.02)
            yield i

    assert list(track(slowly(), "fusing", 40, unit="frames")) == list(range(40))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "fusing" in shown.err
    assert "frames/s" in shown.err


@pytest.mark.parametrize(
    ("done", "elapsed_s", "text"),
    [(10, 4, "2.5 frames/s"), (1, 165, "165.0 s/frame"), (0, 3, "0.0 frames/s"), (4, 4, "1.0 frames/s")],
)
def test_a_slow_rate_is_told_the_other_way_round(done, elapsed_s, text):
    assert rate(done, elapsed_s, "frames") == text


def test_the_parts_of_a_long_item_are_told(clock, caplog):
    with caplog.at_level(logging.INFO, "ssvif"):
        for _ in track(range(1), "fusing", every_s=1000):
            for _ in track_within(["a", "b"], "large.png, tiles"):
                clock[0] += 30
    assert [each.message for each in caplog.records] == [
        "large.png, tiles 1/2, about 30 s left",
        "large.png, tiles 2/2, about 0 s left",
    ]


def test_a_terminal_gets_a_second_bar_and_a_program_without_a_bar_none(monkeypatch, capsys):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(track_within([1, 2], "tiles")) == [1, 2]
    assert capsys.readouterr().err == ""

    def parts(_):
        for each in track_within([1, 2, 3], "tiles"):
            time.sleep(0.15)  # longer than the bar takes to be drawn again
            yield each

    assert [list(parts(each)) for each in track([1], "fusing")] == [[1, 2, 3]]
    shown = capsys.readouterr().err
    assert "fusing" in shown
    assert "tiles" in shown
