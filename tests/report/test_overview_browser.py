"""The report's overview in a real browser, from disk: tables, diagrams, and where they lead."""

import pytest

from report.browsing import column, paper_table


@pytest.fixture
def page(show):
    """The overview."""
    return show("index.html")


def test_a_table_sorts_by_any_column_best_first_and_what_is_missing_last(page):
    table = paper_table(page)
    head = table.locator("thead button", has_text="VIF")
    own = ["Alpha", "Beta", "Gamma", "ours", "Delta", "Epsilon"]
    assert column(table, 1) == own
    head.click()
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("VIF")
    # Beta was not run, so that the paper's number stands for it; the group stays together
    assert column(table, 1) == ["Gamma", "Beta", "Alpha", "ours", "Epsilon", "Delta"]
    assert "sorted by VIF ↑, descending" in page.locator("#tables .announce").inner_text()
    page.locator(".table-tools .view").select_option("measured")
    assert column(table, 1)[:3] == ["Gamma", "Alpha", "Beta"]
    head.focus()
    page.keyboard.press("Enter")
    assert column(table, 1)[:3] == ["Alpha", "Gamma", "Beta"], "what is missing stays last"
    page.keyboard.press("Enter")
    assert column(table, 1) == own
    assert table.locator("[aria-sort]").count() == 0
    page.locator(".table-tools .view").select_option("published")
    head.click()
    assert column(table, 1) == ["Alpha", "Beta", "Gamma", "ours", "Delta", "Epsilon"]
    assert not table.locator(".measured").first.is_visible()
    assert table.locator(".published").first.is_visible()


def test_a_column_where_less_is_better_begins_with_the_least(page):
    table = page.locator("#table-fusion_metrics_toy table")
    table.locator("thead button", has_text="ΔE76").click()
    assert table.locator("th[aria-sort=ascending]").count() == 1


def test_rows_and_columns_can_be_chosen(page):
    table, announced = paper_table(page), page.locator("#tables .announce")
    chosen = page.locator(".table-tools .filter")
    head = table.locator("tr.group th", has_text="ours")
    room = "each => parseFloat(getComputedStyle(each).paddingTop)"
    between = head.evaluate(room)
    chosen.fill("psi")
    assert head.evaluate(room) < between, "no gap where nothing is above the group"
    assert column(table, 1) == ["ours", "Epsilon"]
    assert announced.inner_text() == "1 row is shown."
    chosen.fill("gamma")
    assert announced.inner_text() == "1 row is shown."
    chosen.fill("OURS")
    assert column(table, 1) == ["Gamma", "ours", "Delta", "Epsilon"], "by the run's name, and by the group's"
    assert announced.inner_text().endswith(" rows are shown.")
    chosen.fill("")
    shown = ["Alpha", "Gamma", "ours", "Delta", "Epsilon"]
    kinds = {
        "run": shown,
        "all": ["Alpha", "Beta", *shown[1:], "nothing", "Zeta"],
        "numbers": ["Alpha", "Beta", *shown[1:]],
    }
    assert column(table, 1) == kinds["numbers"], "as it opens"
    for kind, expected in kinds.items():
        page.locator(".table-tools .rows").select_option(kind)
        assert column(table, 1) == expected
    page.locator("#table-1_toy .columns summary").click()
    page.locator("#table-1_toy .columns").get_by_label("first").uncheck()
    assert table.locator("thead th:visible").count() == 3
    assert table.locator("tbody tr").first.locator("td:visible").count() == 2


def test_a_dot_leads_to_its_image(page):
    assert page.locator(".plot circle").count() == 8
    outlier = page.locator('.plot circle[data-run="1"][data-pair="1"]')
    outlier.hover()
    assert page.locator(".tip").inner_text() == "002 · Ours <b> · VIF 0.400"
    outlier.click()
    page.locator("#viewer[open]").wait_for()
    assert page.locator("#viewer-title").inner_text().startswith("002")
    assert page.locator(".tile.chosen figcaption").inner_text().startswith("Ours <b>")


def test_the_worst_images_are_listed_with_links(show):
    page = show("runs/toy/ours.html")
    worst = page.locator(".worst ol")
    assert worst.count() == 1, "on a run's page its own"
    assert worst.locator("a").first.inner_text().strip() == "0.400 · 002"
    page.get_by_label("Metric").select_option(label="ΔE76 ↓")
    assert worst.locator("a").first.inner_text().strip() == "9.00 · 003"
    worst.locator("a").last.press("Enter")
    page.locator("#viewer[open]").wait_for()
    assert page.locator("#viewer-title").inner_text().startswith("004 #4")
