"""A report of two runs for a browser to open, and what tests ask of its pages."""

from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from report.made_results import (
    make_results,
    make_source,
    picture,
    write_gradients,
    write_history,
    write_metrics,
    write_pseudo_labels,
)
from ssvif.report.formats import write_sheet
from ssvif.report.page.site import make_page
from ssvif.report.runs import RunLabel
from ssvif.report.sheet import Cell, Heading, Row, Sheet, Table
from ssvif.report.tables import make_tables

VIF = {"average": [0.5, 0.7, 0.6, 0.8], "ours": [0.9, 0.4, 0.8, 0.7]}
DELTA = {"average": [4, 5, 6, 7], "ours": [3, 6, 9, 1]}
SIZE = (48, 64)


def made_sheet():
    """A table with groups, a row without a run, and the paper's numbers."""

    def row(label, group, value, paper, runs):
        others = (Cell(each if runs else None, decimals=1) for each in (1.0, 2.0))
        return Row(label, (Cell(value, published=paper, decimals=1), *others), runs, group)

    rows = (
        row("Alpha", "", 3.0, "9.0", ("average",)),
        row("Beta", "", None, "5.0", ()),
        row("Gamma", "", 7.0, "1.0", ("ours",)),
        row("Delta", "ours", 4.0, "", ("ours",)),
        row("Epsilon", "ours", 10.0, "", ("average",)),
        row("Zeta", "nothing", None, "", ()),
    )
    headings = (Heading("vif"), Heading("first"), Heading("second"))
    return Sheet("table_1", "I", "Quality", "How good.", (Table("1_toy", "Toy", "", "toy", headings, rows),))


def make_report(root: Path) -> Path:
    """Make the whole report of two runs on four pairs, and return its folder."""
    results = make_results(root / "results")
    source = make_source(root / "data", results, *SIZE)
    for run in VIF:
        write_metrics(results, run, {"vif": VIF[run], "delta_e76": DELTA[run]})
    write_history(results / "toy/ours", collapsed=True)
    write_gradients(results / "toy/ours")
    write_pseudo_labels(results / "toy/ours")
    (results / "toy/average/fused/test/003.png").unlink()
    runs = {"toy": [RunLabel("average"), RunLabel("ours", "Ours <b>")]}
    make_tables(results, root / "tables", runs)
    write_sheet(root / "tables", made_sheet())
    picture(root / "figures/fusion_toy.png", np.full((20, 40, 3), 90))
    (root / "figures/fusion_toy.pdf").write_bytes(b"%PDF-1.4\n")
    picture(root / "figures/curves_toy.png", np.full((400, 40, 3), 90))
    settings = {"assumed": {"crop_px": "128 (lost)"}, "reproduce": ["make demo"]}
    figures = root / "figures"
    make_page(results, root / "tables", root / "page", runs, sources={"toy": source}, figures=figures, **settings)
    return root / "page"


def column(table, number):
    return table.locator(f"tbody tr:visible > :nth-child({number})").all_inner_texts()


def paper_table(page):
    return page.locator("#table-1_toy table")


def ink(screenshot):
    """The brightness farthest from the ground's, which is most of the picture."""
    gray = np.asarray(Image.open(BytesIO(screenshot)).convert("L")).astype(int)
    values = np.unique(gray)
    return values[np.abs(values - np.median(gray)).argmax()]


def names(page):
    # not the inner text, which is empty as long as the browser has not laid a pair out
    return [text.split()[0] for text in page.locator(".pair h2").all_text_contents()]


def over(page, selector=".classes, .box-outline"):
    """How many pictures of the stage have something drawn over them."""
    return page.locator("#stage .picture").filter(has=page.locator(selector)).count()


def zooms(page):
    script = "all => all.map(each => getComputedStyle(each).transform)"
    return page.locator("#stage .picture").evaluate_all(script)


def open_pair(page, place=0):
    page.locator(".thumb").nth(place).click()
    page.locator("#viewer[open]").wait_for()


@contextmanager
def watched_pages(browser, folder, *own):
    """A function that opens pages of a folder; at the end nothing was complained about and nothing came from elsewhere.

    `own` are beginnings of addresses that are no other place either, besides the folder's and "data:".
    """
    contexts, complaints, requests = [], [], []

    def complain(request):
        if request.failure != "net::ERR_ABORTED":  # the page was closed while an image below was still loading
            complaints.append(f"{request.url}: {request.failure}")

    def open_page(name, width=1280, height=800, **settings):
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", complain)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{folder.as_uri()}/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests
    assert [url for url in requests if not url.startswith((f"{folder.as_uri()}/", "data:", *own))] == []
