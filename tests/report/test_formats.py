"""Every format of a table says the same, and LaTeX takes it."""

import math
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.test_paper_tables import make, score, segment
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv
from ssvif.report.formats import (
    escape,
    page_of,
    read_sheets,
    to_html,
    to_latex,
    to_markdown,
    without_blanks,
    write_sheet,
)
from ssvif.report.sheet import DASH, Cell, Heading, Row, Sheet, Table, rank

MARKS = ("{}", "**{}**", "<u>{}</u>")
IN_LATEX = (
    (r"\\textbf\{(.*?)\}", r"**\1**"),
    (r"\\underline\{(.*?)\}", r"<u>\1</u>"),
    (r"\{\\scriptsize (.*?)\}", r"\1"),
)
IN_HTML = (
    (r'<span class="\w+ best">(.*?)</span>', r"**\1**"),
    (r'<span class="\w+ second">(.*?)</span>', r"<u>\1</u>"),
    (r' <span class="paper">', "<br>"),
    (r"</?span.*?>", ""),
)
RUNS = ("sage", "swinfusion_ssvif_seed0", "swinfusion_ssvif_seed1", "emma_fusion_only")


@pytest.fixture
def folder(tmp_path) -> Path:
    """All nine tables of two datasets, with seeds, a stand-in, others, NaN, percent and awkward names."""
    for dataset in ("fmb", "msrs"):
        for place, run in enumerate(RUNS):
            score(tmp_path, dataset, run, 1.0 + place / 7, images=6)
            segment(tmp_path, dataset, run, 0.5 + place / 70, person=0.2 + place / 9, car=0.99)
    score(tmp_path, "msrs", "mine", 3.0, en="nan", vif=0.5)
    score(tmp_path, "msrs", "other", 3.0, en=2.0)
    runs = [f"{dataset}/{run}" for dataset in ("fmb", "msrs") for run in RUNS]
    signs = ["msrs/mine=A_b & 100 % | λ₄ <i> ± {x} #1", "msrs/other=[12] *ours* ≈ ΑΒο∞√′ϵ [3pt]"]
    make(tmp_path, *runs, *signs, titles={"fmb": "FMB & co", "msrs": "MSRS"})
    return tmp_path / "tables"


def sheet_of(row: Row, metric: str = "en") -> Sheet:
    """A sheet of one row and column."""
    table = Table("t", "T", "", "x", (Heading(metric),), (row,))
    return Sheet("t", "", "T", "Said.", (table,))


def expected(sheet: Sheet, *, latex: bool = False) -> list[str]:
    """What each cell says, in Markdown's marks; in LaTeX, a row that was not run is the paper's numbers alone."""
    said = []
    for cell, empty in ((cell, row.empty) for table in sheet.tables for row in table.rows for cell in row.cells):
        measured = f"{MARKS[cell.rank].format(cell.text)} {cell.interval}".strip()
        below = f"<br>{MARKS[cell.published_rank].format(cell.published)}" if cell.published else ""
        text = measured + below + (f" ({cell.difference})" if cell.difference else "")
        said.append(text.removeprefix(f"{DASH}<br>") if latex and empty else text)
    return said


def replaced(text: str, patterns) -> str:
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text)
    return text


def read_markdown(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("| ") and not re.search("[↑↓] \\|", line)]
    rows = [re.split(r"(?<!\\)\|", line)[2:-1] for line in lines]
    return [re.sub("</?sub>", "", cell.strip()) for row in rows if any(map(str.strip, row)) for cell in row]


def read_latex(text: str) -> list[str]:
    """Read the cells back, a row of the paper's numbers as the second line of those above it."""
    said: list[str] = []
    for line in re.findall(r"^    (.* \\\\(?:\[.*\])?)$", text, re.MULTILINE):
        if "multicolumn" in line or "arrow" in line:
            continue
        plain = line.rpartition(" \\\\")[0].replace("$-$", "−").replace("$\\pm$", "±").replace("--", DASH)
        # the marks of the paper's numbers stand within a smaller size, so they are read first
        cells = [replaced(cell.strip(), IN_LATEX) for cell in re.split(r"(?<!\\)&", plain)[1:]]
        if line.startswith("&"):
            above = said[-len(cells) :]
            said[-len(cells) :] = [
                f"{each}<br>{cell}" if cell else each for each, cell in zip(above, cells, strict=True)
            ]
        else:
            said += cells
    return said


def read_html(text: str) -> list[str]:
    return [replaced(unescape(cell), IN_HTML) for cell in re.findall(r"<td.*?>(.*?)</td>", text)]


def test_html_markdown_latex_and_csv_say_the_same(folder):
    compared = 0
    for sheet in read_sheets(folder):
        stem, printed = folder / sheet.name, without_blanks(sheet)
        said, html = expected(printed), stem.with_suffix(".html").read_text("utf-8")
        assert read_html(html) == said, sheet.name
        assert read_markdown(stem.with_suffix(".md").read_text("utf-8")) == said, sheet.name
        assert read_latex(stem.with_suffix(".tex").read_text("utf-8")) == expected(printed, latex=True), sheet.name
        lines = {(table.dataset, row.group, row.label) for table in printed.tables for row in table.rows}
        rows = read_csv(stem.with_suffix(".csv"))
        rows = [row for row in rows if (row["dataset"], row["group"], row["row"]) in lines]
        cells = [cell for table in printed.tables for row in table.rows for cell in row.cells]
        tags = re.findall(r"<td.*?>", html)
        for row, cell, tag in zip(rows, cells, tags, strict=True):
            measured = row["measured"]
            assert row["published"] == cell.published
            assert (f'data-value="{measured}"' in tag, "data-value" in tag) == (bool(measured), bool(measured))
            digits = len(cell.text.partition(".")[2])
            shown = "NaN" if measured == "nan" else f"{float(measured):.{digits}f}" if measured else DASH
            assert shown == cell.text
            if row["difference"]:
                difference = float(measured) - float(row["published"])
                assert float(row["difference"]) == pytest.approx(difference, rel=1e-6, abs=1e-9)
            compared += bool(measured)
    assert compared > 100


def test_the_same_lines_stand_in_every_format(folder):
    for sheet in read_sheets(folder):
        labels = {row.label for table in sheet.tables for row in table.rows}
        assert labels == {row["row"] for row in read_csv(folder / f"{sheet.name}.csv")}
        names = {row.label for table in without_blanks(sheet).tables for row in table.rows}
        latex = (folder / f"{sheet.name}.tex").read_text("utf-8")
        assert all(escape(name) in latex for name in names)
        assert len(re.findall(r"(?<!\\){", latex)) == len(re.findall(r"(?<!\\)}", latex))
        assert latex.count("\\begin{") == latex.count("\\end{") >= 2
        markdown = (folder / f"{sheet.name}.md").read_text("utf-8")
        assert all(name.translate({ord(sign): f"\\{sign}" for sign in "|<*_["}) in markdown for name in names)
        widths = [len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")]
        assert set(widths) == {len(table.headings) + 2 for table in sheet.tables}


def test_html_stands_alone_and_can_be_sorted(folder):
    for sheet in read_sheets(folder):
        text = page_of(sheet)
        assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
        assert text.count('scope="col"') == sum(len(table.headings) + 1 for table in sheet.tables)
        assert text.count('scope="row"') == sum(len(table.rows) for table in sheet.tables)
        missing = sum(not row.runs for table in sheet.tables for row in table.rows)
        assert text.count('<tr class="missing">') == missing
    assert "A_b &amp; 100 % | λ₄ &lt;i&gt; ± {x} #1" in to_html(read_sheets(folder)[1].tables[1])


def test_lines_without_any_number_are_printed_only_where_there_is_none(tmp_path):
    score(tmp_path, "scenes", "mine", 1.0)
    make(tmp_path, "scenes/mine", titles={"scenes": "Scenes"})
    quality, classes = (tmp_path / f"tables/table_{number}" for number in (2, 6))
    assert "CDDFuse |" not in quality.with_suffix(".md").read_text("utf-8")
    assert "Not run here: CDDFuse" in quality.with_suffix(".md").read_text("utf-8")
    assert "CDDFuse" in {row["row"] for row in read_csv(quality.with_suffix(".csv"))}
    assert classes.with_suffix(".md").read_text("utf-8").count("\n| ") > 2, "an empty table shows what it asks for"
    segmentation = (tmp_path / "tables/table_1.md").read_text("utf-8")
    assert "CDDFuse |" in segmentation, "so does one of a run without such results"


def test_signs_that_pdflatex_does_not_know_are_told():
    for title, told in (("日本", True), ("✓", True), ("Ħ", True), ("ϝ", True), ("Łódź ΑΩ ≈ ‘a’ •", False)):
        text = to_latex(sheet_of(Row(title, (Cell(1.0),), ("a",))))
        assert text.startswith("% has letters that pdfLaTeX does not know") is told
        assert ("[T1]{fontenc}" in text) is not told


def test_negative_numbers_have_one_minus_sign_in_print():
    sheet = sheet_of(Row("a", (Cell(-0.1234, -0.1334, -0.1134),), ("a",)), "vif")
    assert "−0.123 ±0.010" in to_markdown(sheet)
    assert "$-$0.123" in to_latex(sheet)
    assert 'data-value="-0.1234"><span class="measured">−0.123</span>' in to_html(sheet.tables[0])
    assert rank(["−0.2", "−0.1", "0.1"], "↓") == [1, 2, 0]


def test_no_sign_of_a_title_is_markup():
    title = "a_b *c* <d> `e` ~f~ | \\ [g]"
    row = Row(title, (Cell(1.0),), ("a",), group=title)
    table = Table('t"<x>', title, title, "x", (Heading("en"),), (row,), (title,), title)
    sheet = Sheet("t", "I", title, title, (table,), (title,))
    escaped = r"a\_b \*c\* \<d> \`e\` \~f\~ \| \\ \[g]"
    # the headline's caption, the table's title and caption, the first head, a group, a label, two notes
    assert to_markdown(sheet).count(escaped) == 8
    page = page_of(sheet)
    assert page.count("a_b *c* &lt;d&gt; `e` ~f~ | \\ [g]") == 9, "the page's title, too"
    assert re.findall(r'(?:id|aria-labelledby)="(.*?)"', page) == ["t&#34;&lt;x&gt;"] * 2


def test_a_table_of_one_dataset_without_number_is_plain():
    sheet = sheet_of(Row("a", (Cell(1.0, decimals=1),), ("a",)), "macs_gmac")
    assert to_markdown(sheet) == "**Said.**\n\n| run | MACs (G) ↓ |\n|:--|--:|\n| a | 1.0 |\n"
    assert "minipage" not in to_latex(sheet)
    assert "MACs (G) $\\downarrow$" in to_latex(sheet)


def test_what_is_written_is_read_again(tmp_path):
    cells = (Cell(1.0, 0.9, 1.1, "images", 5, 1, ("scratch",), "so", "2", 2, 1, 2), Cell(math.inf), Cell())
    heads = (Heading("en"), Heading("iou", "car"), Heading("unknown_metric"))
    table = Table("table_7_x", "X", "said", "x", heads, (Row("a|b", cells, ("r",), "g", "n"),), ("one",), "K")
    sheet = Sheet("table_7", "VII", "title", "caption", (table,), ("two",))
    write_sheet(tmp_path, sheet)
    assert read_sheets(tmp_path) == [sheet]
    assert read_sheets(tmp_path, ["7"]) == [sheet]
    assert read_sheets(tmp_path, ["other"]) == [], "left by an earlier configuration"
    assert read_sheets(tmp_path / "none") == []


def test_a_damaged_file_is_named(tmp_path):
    for text in ("{}", "[", '{"name": 1}'):
        (tmp_path / "table_1.json").write_text(text)
        with pytest.raises(UserError, match=r"(?s)table_1\.json cannot be read as a table.*ssvif tables"):
            read_sheets(tmp_path)


LATEX = shutil.which("pdflatex")
DOCUMENT = """\
\\documentclass[twocolumn]{article}
\\usepackage[T1]{fontenc}
\\usepackage{booktabs,graphicx}
\\begin{document}
%s
\\end{document}
"""


@pytest.mark.skipif(
    not LATEX, reason="there is no pdflatex here (Debian: texlive-latex-base, texlive-latex-recommended)"
)
def test_latex_compiles_and_fits_the_page(folder, tmp_path):
    tables = sorted(folder.glob("*.tex"))
    inputs = "\n".join(f"\\input{{{path.as_posix()}}}\\clearpage" for path in tables)
    (tmp_path / "document.tex").write_text(DOCUMENT % inputs, encoding="utf-8")
    done = subprocess.run(
        [LATEX or "", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    wide = [float(each) for each in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide", done.stdout)]
    assert max(wide, default=0) < 1
    assert len(tables) == 9


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("λ₄ ≤ 2²⁰ · Ω", "$\\lambda$$_{4}$ $\\leq$ 2$^{2}$$^{0}$ $\\cdot$ $\\Omega$"),
        (
            "a_b & 5 % {#} $ ~ ^ \\",
            "a\\_b \\& 5 \\% \\{\\#\\} \\$ \\textasciitilde{} \\textasciicircum{} \\textbackslash{}",
        ),
        ("−0.1 ± é ½", "$-$0.1 $\\pm$ é ½"),
        ("[12] *ours*", "{[}12{]} {*}ours{*}"),
        ("ΑΩ οως ≈ 10⁻³", "$\\mathrm{A}$$\\Omega$ o$\\omega$$\\varsigma$ $\\approx$ 10$^{-}$$^{3}$"),
        ("ϝϺ ᵝ", "ϝϺ ᵝ"),
        ('"a b" ("c") 5" “d”', "``a b'' (``c'') 5'' ``d''"),
    ],
)
def test_text_becomes_latex(text, latex):
    assert escape(text) == latex


@given(st.lists(st.sampled_from(["0.10", "0.20", "0.3", "0.30", "1.5", DASH, "NaN", "nan", "−0.2", ""]), max_size=8))
def test_ranks_agree_with_the_order(texts):
    values = [None if text in (DASH, "NaN", "nan", "") else float(text.replace("−", "-")) for text in texts]
    numbers = sorted({value for value in values if value is not None})
    for arrow, ordered in (("↑", numbers[::-1]), ("↓", numbers)):
        for value, place in zip(values, rank(texts, arrow), strict=True):
            assert place in (0, 1, 2)
            if place:
                assert value == ordered[place - 1]
            elif value is not None and len(ordered) > 1:
                assert value != ordered[0]
    assert rank(texts, "") == [0] * len(texts)


@given(st.floats(-50, 50), st.decimals(-50, 50, places=2))
def test_a_difference_is_what_the_printed_numbers_differ_by(value, published):
    cell = Cell(value, published=str(published), decimals=2)
    difference = float(f"{value:.2f}") - float(published)
    assert float(cell.difference.replace("−", "-")) == pytest.approx(difference, abs=0.0101)
    assert not re.fullmatch(r"[+−]0\.?0*", cell.difference)
