from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssvif.report.figures.style import (
    COLORS,
    SIZE_PT,
    SMALLEST_PT,
    add_legend,
    color_of,
    fit_text,
    save_figure,
    text_width_in,
)

NAMES = st.text("abcdefgh WM_-/,$", min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.floats(0.3, 2.0), st.integers(1, 3))
def test_fitted_text_keeps_to_its_room(text, width_in, lines):
    fitted, size = fit_text(text, width_in, lines=lines)
    assert SMALLEST_PT <= size <= SIZE_PT
    assert len(fitted.split("\n")) <= lines
    assert all(text_width_in(line, size) <= width_in for line in fitted.split("\n"))
    kept = "".join(fitted.split())
    whole = "".join(text.split())
    assert whole.startswith(kept.removesuffix("…")) if kept.endswith("…") else kept == whole


def test_text_is_broken_then_shrunk_then_cut():
    name = "SeAFusion, released weights"
    assert fit_text(name, 3.0) == (name, SIZE_PT)
    assert fit_text(name, 1.0) == ("SeAFusion, released\nweights", SIZE_PT)
    assert fit_text(name, 0.75)[1] < SIZE_PT
    assert fit_text("W" * 80, 0.75)[0].endswith("…")
    assert fit_text("", 1.0) == ("", SIZE_PT)


def test_colors_begin_again():
    assert [color_of(0), color_of(len(COLORS))] == [COLORS[0]] * 2
    assert len(set(COLORS)) == len(COLORS)


def test_files_have_no_date_and_equal_figures_equal_bytes(tmp_path):
    for name in ("first", "second"):
        figure = Figure(figsize=(1, 1))
        figure.text(0.1, 0.5, "α $x")
        paths = save_figure(figure, tmp_path, name)
    assert [path.name for path in paths] == ["second.png", "second.pdf"]
    for path in paths:
        assert path.read_bytes() == path.with_stem("first").read_bytes()
        assert b"Date" not in path.read_bytes()
        assert b"Matplotlib" not in path.read_bytes()


def test_legends_are_balanced():
    entries = {f"vegetation {number}": Line2D([], []) for number in range(9)}
    assert [add_legend(Figure((width, 1)), entries) for width in (0.5, 5.5, 12)] == [9, 3, 1]
