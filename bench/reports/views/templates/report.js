"use strict";
(function () {
  function value(row, column) {
    const text = row.cells[column].dataset.value;
    return text === undefined ? row.cells[column].textContent.trim().toLowerCase() : text === "" ? NaN : Number(text);
  }
  function compare(a, b) {
    const missingA = Number.isNaN(a), missingB = Number.isNaN(b);
    if (missingA || missingB) return missingA && missingB ? 0 : missingA ? Infinity : -Infinity;
    return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
  }
  function sort(table, header) {
    const column = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [value(row, column), row]);
    rows.sort(([a], [b]) => {
      const order = compare(a, b);
      return Number.isFinite(order) && down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  }
  function filter(input) {
    const table = document.getElementById(input.getAttribute("aria-controls"));
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    const total = table.tBodies[0].rows.length;
    document.getElementById(input.id + "-count").textContent = shown === total ? total + " rows" : shown + " of " + total + " rows";
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = header.querySelector("button");
      if (button) button.addEventListener("click", () => sort(table, header));
    }
  }
  for (const input of document.querySelectorAll("input[type=search]")) {
    input.addEventListener("input", () => filter(input));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { input.value = ""; filter(input); }
    });
    filter(input);
  }
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = Array.from(document.querySelectorAll("details:not([open])"));
    for (const details of closed) details.open = true;
  });
  window.addEventListener("afterprint", () => { for (const details of closed) details.open = false; });
})();
