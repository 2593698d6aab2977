import sys

import pytest

from ssvif.io.terminal import render_table

ROWS = [("a long name [bold]", "1,234.5", "–"), ("b", "7", "12 %")]


def test_a_table_is_plain_text_with_numbers_to_the_right(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert render_table(["name", "MACs, G", "share"], ROWS, title="Costs").splitlines() == [
        "Costs",
        "name                MACs, G  share",
        "──────────────────────────────────",
        "a long name [bold]  1,234.5      –",
        "b                         7   12 %",
    ]


@pytest.mark.parametrize("rows", [[], [("1" * 300, "", "x")]])
def test_a_log_is_not_wrapped(rows):
    lines = render_table(["a", "b", "c"], rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[0].split() == ["a", "b", "c"]


def test_a_terminal_is_as_wide_as_it_is_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    lines = render_table(["name", "value"], [("x" * 50, "1")]).splitlines()
    assert max(map(len, lines)) <= 30
    assert sum(line.count("x") for line in lines) == 50
