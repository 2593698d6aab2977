"""Every format of a table says the same, and LaTeX takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.test_paper_tables import make, score, segment
from ssvif.io.files import read_csv
from ssvif.report.sheet import DASH, Cell, Heading, Row, Sheet, Table, rank, show, show_difference
from ssvif.report.markup import escape, to_latex, to_markdown
from ssvif.report.markup import page_of, to_html
from ssvif.report.sheet_files import read_sheets, without_blanks

Value = tuple[str, int, str, str, int, str]  # text, rank, interval, published, its rank, difference
NUMBER = r"NaN|–|[+−]?\d+(?:\.\d+)?"


@pytest.fixture
def folder(tmp_path) -> Path:
    """All nine tables of two datasets, with seeds, a stand-in, others, NaN, percent and awkward names."""
    for dataset in ("fmb", "msrs"):
        for place, run in enumerate(("sage", "swinfusion_ssvif_seed0", "swinfusion_ssvif_seed1", "emma_fusion_only")):
            score(tmp_path, dataset, run, 1.0 + place / 7, images=6)
            segment(tmp_path, dataset, run, 0.5 + place / 70, person=0.2 + place / 9, car=0.99)
    score(tmp_path, "msrs", "mine", 3.0, en="nan", vif=0.5)
    runs = [
        f"{dataset}/{run}"
        for dataset in ("fmb", "msrs")
        for run in ("sage", "swinfusion_ssvif_seed0", "swinfusion_ssvif_seed1", "emma_fusion_only")
    ]
    score(tmp_path, "msrs", "other", 3.0, en=2.0)
    signs = ["msrs/mine=A_b & 100 % | λ₄ <i> ± {x} #1", "msrs/other=[12] *ours* ≈ ΑΒο∞√′ϵ [3pt]"]
    make(tmp_path, *runs, *signs, titles={"fmb": "FMB & co", "msrs": "MSRS"})
    return tmp_path / "tables"


def expected(sheet: Sheet) -> list[list[Value]]:
    return [
        [(each.text, each.rank, each.interval, each.published, each.published_rank, each.difference)
         for row in table.rows for each in row.cells]
        for table in sheet.tables
    ]  # fmt: skip


def value_of(text: str, marks: tuple[str, str], paper: str) -> Value:
    """Read one cell back; `marks` are patterns with a group for bold and underlined, `paper` what parts the lines."""

    def ranked(part: str) -> tuple[str, int, str]:
        for place, mark in enumerate(marks, start=1):
            if found := re.match(mark, part):
                return found[1], place, part[found.end() :].strip()
        found = re.match(NUMBER, part)
        return (found[0], 0, part[found.end() :].strip()) if found else ("", 0, part)

    measured, _, below = text.partition(paper)
    shown, place, interval = ranked(measured.strip())
    published, its_place, difference = ranked(below.strip())
    return shown, place, interval, published, its_place, difference.strip("()")


def read_markdown(text: str) -> list[list[Value]]:
    tables: list[list[Value]] = []
    for line in text.splitlines():
        cells = [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]
        if line.startswith("|:--"):
            tables.append([])
        elif cells and tables and any(cells[1:]) and "↑" not in line:
            clean = [cell.replace("</sub>", "").replace("<sub>", "") for cell in cells[1:]]
            tables[-1] += [value_of(cell, (r"\*\*(.+?)\*\*", r"<u>(.+?)</u>"), "<br>") for cell in clean]
    return tables


def read_latex(text: str) -> list[list[Value]]:
    tables = []
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        values: list[Value] = []
        for line in body.splitlines():
            if "\\multicolumn" in line or "\\midrule" in line:
                continue
            plain = line.replace("$-$", "−").replace("$\\pm$", "±").replace("{\\scriptsize ", "").replace("--", DASH)
            cells = [each.strip() for each in re.split(r"(?<!\\)&", re.sub(r" *\\\\(\[.*\])?$", "", plain))][1:]
            cells = [re.sub(r"\}$", "", each) if each.count("}") > each.count("{") else each for each in cells]
            found = [value_of(cell, (r"\\textbf\{(.+?)\}", r"\\underline\{(.+?)\}"), "\n") for cell in cells]
            if line.lstrip().startswith("&"):
                last = values[-len(found) :]
                values[-len(found) :] = [
                    (*above[:3], *below[:2], below[2].strip("()")) for above, below in zip(last, found, strict=True)
                ]
            else:
                values += found
        tables.append(values)
    return tables


class Reader(HTMLParser):
    """Collects the cells of each table, and each row's header."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[Value]] = []
        self.values: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "td":
            self.tables[-1].append(("", 0, "", "", 0, ""))
            self.values.append(found.get("data-value", ""))
        elif tag == "span":
            self._open.append(found["class"])

    def handle_endtag(self, tag):
        if tag == "span":
            self._open.pop()

    def handle_data(self, data):
        kind = self._open[-1].split()[0] if self._open else ""
        if kind not in ("measured", "interval", "published", "difference"):
            return
        place = {"best": 1, "second": 2}.get(self._open[-1].split()[-1], 0)
        shown, rank_, interval, published, rank_of_paper, difference = self.tables[-1][-1]
        if kind == "measured":
            shown, rank_ = data, place
        elif kind == "interval":
            interval = data
        elif kind == "published":
            published, rank_of_paper = data, place
        else:
            difference = data.strip("()")
        self.tables[-1][-1] = (shown, rank_, interval, published, rank_of_paper, difference)


def read_html(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_html_markdown_latex_and_csv_say_the_same(folder):
    compared = 0
    for sheet in read_sheets(folder):
        stem, printed = folder / sheet.name, without_blanks(sheet)
        said = expected(printed)
        lines = {(table.dataset, row.group, row.label) for table in printed.tables for row in table.rows}
        html = read_html(stem.with_suffix(".html").read_text("utf-8"))
        assert html.tables == said, sheet.name
        assert read_markdown(stem.with_suffix(".md").read_text("utf-8")) == said, sheet.name
        assert read_latex(stem.with_suffix(".tex").read_text("utf-8")) == said, sheet.name
        rows = read_csv(stem.with_suffix(".csv"))
        rows = [row for row in rows if (row["dataset"], row["group"], row["row"]) in lines]
        cells = [cell for table in said for cell in table]
        for row, cell, value in zip(rows, cells, html.values, strict=True):
            text, _, _, published, _, _ = cell
            assert row["published"] == published
            assert row["measured"] == value
            digits = len(text.partition(".")[2])
            shown = "NaN" if row["measured"] == "nan" else f"{float(row['measured']):.{digits}f}" if value else DASH
            assert shown == text
            if row["difference"]:
                difference = float(row["measured"]) - float(published)
                assert float(row["difference"]) == pytest.approx(difference, rel=1e-6, abs=1e-9)
            compared += bool(value)
    assert compared > 100


def test_the_same_lines_stand_in_every_format(folder):
    for sheet in read_sheets(folder):
        assert {row.label for table in sheet.tables for row in table.rows} == {
            row["row"] for row in read_csv(folder / f"{sheet.name}.csv")
        }
        names = {row.label for table in without_blanks(sheet).tables for row in table.rows}
        latex = (folder / f"{sheet.name}.tex").read_text("utf-8")
        assert all(escape(name) in latex for name in names)
        markdown = (folder / f"{sheet.name}.md").read_text("utf-8")
        assert all(name.translate({ord(sign): f"\\{sign}" for sign in "|<*_["}) in markdown for name in names)


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
    head = Heading("EN", "EN", "↑", "bit", "en")
    for title, told in (("日本", True), ("✓", True), ("Ħ", True), ("ϝ", True), ("Łódź ΑΩ ≈ ‘a’ •", False)):
        table = Table("t", "T", "", "x", (head,), (Row(title, (Cell("1.0", value=1.0),), ("a",)),))
        text = to_latex(Sheet("t", "", "T", "Said.", (table,)))
        assert text.startswith("% has letters that pdfLaTeX does not know") is told
        assert ("[T1]{fontenc}" in text) is not told


def test_negative_numbers_have_one_minus_sign_in_print():
    cell = Cell(show(-0.1234, "vif"), value=-0.1234, interval="±0.01")
    table = Table("t", "T", "", "x", (Heading("VIF", "VIF", "↑", "", "vif"),), (Row("a", (cell,), ("a",)),))
    sheet = Sheet("t", "", "T", "Said.", (table,))
    assert "−0.123 ±0.01" in to_markdown(sheet)
    assert "$-$0.123" in to_latex(sheet)
    assert 'data-value="-0.1234"><span class="measured">−0.123</span>' in to_html(table)
    assert rank(["−0.2", "−0.1", "0.1"], "↓") == [1, 2, 0]


def test_no_sign_of_a_title_is_markup():
    title = "a_b *c* <d> `e` ~f~ | \\ [g]"
    head = Heading("EN", "EN", "↑", "bit", "en")
    row = Row(title, (Cell("1.0", value=1.0),), ("a",), group=title)
    table = Table('t"<x>', title, title, "x", (head,), (row,), (title,), title)
    sheet = Sheet("t", "I", title, title, (table,), (title,))
    escaped = r"a\_b \*c\* \<d> \`e\` \~f\~ \| \\ \[g]"
    # the headline's caption, the table's title and caption, the first head, a group, a label, two notes
    assert to_markdown(sheet).count(escaped) == 8
    page = page_of(sheet)
    assert 'id="t&quot;&lt;x&gt;"' in page
    assert 'aria-labelledby="t&quot;&lt;x&gt;"' in page


def test_a_table_of_one_dataset_without_number_is_plain():
    head = Heading("EN", "EN", "↑", "bit", "en")
    table = Table("t", "T", "", "x", (head,), (Row("a", (Cell("1.0", value=1.0),), ("a",)),))
    sheet = Sheet("t", "", "T", "Said.", (table,))
    assert to_markdown(sheet) == "**Said.**\n\n| run | EN (bit) ↑ |\n|:--|--:|\n| a | 1.0 |\n"
    assert "minipage" not in to_latex(sheet)
    assert "EN (bit) $\\uparrow$" in to_latex(sheet)


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
    text = f"{value:.2f}"
    shown = show_difference(text, value, str(published))
    assert float(shown.replace("−", "-")) == pytest.approx(float(text) - float(published), abs=0.0101)
    assert not re.fullmatch(r"[+−]0\.?0*", shown)
