"use strict";
// Sorting and visible columns; without JavaScript the page shows everything.
(() => {
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim(), number = parseFloat(text.replace("−", "-"));
    return Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1);

  function sort(table, column) {
    const heading = table.tHead.rows[0].cells[column], up = heading.getAttribute("aria-sort") === "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? 1 : -1) * order(value(a, column), value(b, column)));
    for (const cell of table.querySelectorAll(".again")) cell.classList.remove("again");  // each row names its network
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.data")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => sort(table, column)));
  }

  // On a narrow screen the columns that decide are shown first; the others are behind "columns".
  const narrow = matchMedia("(max-width: 1100px)").matches;
  for (const table of document.querySelectorAll("table.board")) {
    const box = table.closest(".scroll").previousElementSibling.querySelector("fieldset");
    const headings = [...table.tHead.rows[0].cells], titles = headings.map((heading) => heading.textContent.trim());
    const wanted = [/^IoU/, /^\.3/, /^difference/, /^verdict/].map((word) => titles.findIndex((title) => word.test(title)));
    headings.forEach((heading, column) => {
      if (column < 2) return;
      const label = document.createElement("label"), input = Object.assign(document.createElement("input"), {type: "checkbox"});
      const show = () => { for (const row of table.rows) row.cells[column].classList.toggle("off", !input.checked); };
      input.checked = !narrow || wanted.includes(column);
      input.addEventListener("change", show);
      label.append(input, heading.textContent.trim());
      box.append(label);
      show();
    });
  }
})();
