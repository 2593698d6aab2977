// Tables that sort, filter their rows, and show the columns and the numbers one wants.
"use strict";

(() => {
  const { make } = SSVIF;
  const tools = document.querySelector(".table-tools");
  const section = document.getElementById("tables");
  const status = section.querySelector(".announce");
  const tables = [...section.querySelectorAll("table.scores")];
  const number = (text) => (text === undefined ? NaN : Number(text));

  // [{head: the group's headline or null, rows: [...]}], in the order of the page
  function groupsOf(table) {
    const groups = [];
    for (const row of table.tBodies[0].rows) {
      if (row.classList.contains("group")) groups.push({ head: row, rows: [] });
      else {
        if (!groups.length) groups.push({ head: null, rows: [] });
        groups.at(-1).rows.push(row);
      }
    }
    return groups;
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (column === 0) return cell.textContent.trim();
    const { value, published } = cell.dataset;
    const shown = tools.querySelector(".view").value;
    return number(shown === "published" ? published : (value ?? (shown === "both" ? published : undefined)));
  }

  function compare(first, second, column, sign) {
    const [left, right] = [keyOf(first, column), keyOf(second, column)];
    if (column === 0) return sign * left.localeCompare(right, undefined, { numeric: true });
    // what has no number comes last, whichever way it is sorted
    if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
    return sign * (left - right);
  }

  function sort(table, groups, column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    for (const { head, rows } of groups) {
      const ordered = direction ? rows.toSorted((first, second) => compare(first, second, column, sign)) : rows;
      table.tBodies[0].append(...(head ? [head] : []), ...ordered);
    }
    for (const [place, cell] of [...table.tHead.rows[0].cells].entries()) {
      if (direction && place === column) cell.setAttribute("aria-sort", direction);
      else cell.removeAttribute("aria-sort");
    }
  }

  function addSorting(table) {
    const groups = groupsOf(table);
    for (const [column, cell] of [...table.tHead.rows[0].cells].entries()) {
      const button = make("button", { type: "button", textContent: cell.textContent });
      // the first click shows the best on top
      const first = column === 0 || cell.dataset.arrow === "↓" ? "ascending" : "descending";
      const second = first === "ascending" ? "descending" : "ascending";
      button.addEventListener("click", () => {
        const before = cell.getAttribute("aria-sort");
        const direction = before === null ? first : before === first ? second : null;
        sort(table, groups, column, direction);
        const order = direction ? `sorted by ${button.textContent.trim()}, ${direction}` : "in its own order";
        status.textContent = `The table is ${order}.`;
      });
      cell.replaceChildren(button);
    }
    table.resort = () => {
      const sorted = table.tHead.querySelector("[aria-sort]");
      if (sorted) sort(table, groups, sorted.cellIndex, sorted.getAttribute("aria-sort"));
    };
  }

  function addColumns(table) {
    const heads = [...table.tHead.rows[0].cells].slice(1);
    if (heads.length < 3) return;
    const labels = heads.map((head) => {
      const input = make("input", { type: "checkbox", checked: true });
      input.addEventListener("change", () => {
        const column = head.cellIndex;
        for (const row of table.rows) {
          if (!row.classList.contains("group")) row.cells[column].hidden = !input.checked;
        }
      });
      return make("label", {}, input, " ", head.textContent.trim());
    });
    const summary = make("summary", { textContent: "Columns" });
    table.closest(".scroll").before(make("details", { className: "columns" }, summary, make("div", {}, ...labels)));
  }

  const hasNumber = (element) => element.querySelector("[data-value], [data-published]") !== null;

  // how many rows are left
  function filter() {
    const wanted = tools.querySelector(".filter").value.trim().toLowerCase();
    const kind = tools.querySelector(".rows").value;
    const passes = {
      all: () => true,
      run: (row) => !row.classList.contains("missing"),
      // a table without any number still shows what it asks for
      numbers: (row, table) => hasNumber(row) || !row.classList.contains("missing") || !hasNumber(table),
    }[kind];
    let shown = 0;
    for (const table of tables) {
      for (const { head, rows } of groupsOf(table)) {
        for (const row of rows) {
          const name = `${row.cells[0].textContent} ${row.cells[0].title} ${head?.textContent ?? ""}`.toLowerCase();
          row.hidden = !name.includes(wanted) || !passes(row, table);
          shown += row.hidden ? 0 : 1;
        }
        if (head) head.hidden = rows.every((row) => row.hidden);
      }
    }
    return shown;
  }

  function filterAndSay() {
    const count = filter();
    status.textContent = count === 1 ? "1 row is shown." : `${count} rows are shown.`;
  }

  function setView() {
    section.classList.remove("view-both", "view-measured", "view-published");
    section.classList.add(`view-${tools.querySelector(".view").value}`);
    for (const table of tables) table.resort();
  }

  tables.forEach(addSorting);
  tables.forEach(addColumns);
  tools.hidden = false;
  // without a number of the paper there is nothing to choose
  tools.querySelector(".view").closest("label").hidden = !section.querySelector("td .published");
  tools.querySelector(".rows").closest("label").hidden = !section.querySelector("tr.missing");
  tools.querySelector(".filter").addEventListener("input", filterAndSay);
  tools.querySelector(".rows").addEventListener("change", filterAndSay);
  tools.querySelector(".view").addEventListener("change", setView);
  filter();
  addEventListener("beforeprint", () => {
    for (const details of section.querySelectorAll("details.sheet")) details.open = true;
  });
})();
