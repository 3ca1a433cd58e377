// All tables: sort by heading, help on headings, right-aligned numbers.
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const headings = table => [...table.tHead.rows[0].cells];
const rowsOf = table => [...table.tBodies[0].rows];
const indexOf = (table, name) => headings(table).findIndex(th => th.dataset.name === name);
const methodOf = table => Math.max(...["method", "best method", "methods", "authors"].map(name => indexOf(table, name))); // the column that names a row
const textOf = cell => cell.textContent.trim();
const collator = new Intl.Collator("en", {numeric: true});

function numberIn(cell) {
  const match = textOf(cell).replace("−", "-").match(/^[<≥]?\s*([+-]?(?:\d+\.?\d*|\.\d+))/);
  return match ? Number(match[1]) : null;
}

function sortBy(table, name, descending) {
  const index = indexOf(table, name);
  const key = row => index < 0 ? Number(row.dataset.order) : headings(table)[index].classList.contains("number") ? numberIn(row.cells[index]) : textOf(row.cells[index]);
  const empty = value => value === null || value === "" || value === "–";
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);
  const keyed = rowsOf(table).map(row => [key(row), row]);
  const isLimit = row => row.classList.contains("limit"); // not a method: always last
  keyed.sort(([a, one], [b, other]) => (isLimit(one) - isLimit(other)) || (empty(a) - empty(b)) || (empty(a) ? 0 : (descending ? -1 : 1) * compare(a, b)) || one.dataset.order - other.dataset.order);
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  headings(table).forEach((th, i) => i === index ? th.setAttribute("aria-sort", descending ? "descending" : "ascending") : th.removeAttribute("aria-sort"));
}

function nextOrder(th) { // first click: numbers descending, words ascending
  const now = th.getAttribute("aria-sort"), first = th.classList.contains("number") ? "descending" : "ascending";
  return now === null ? first === "descending" : now === "ascending";
}

for (const table of $$("table.data")) {
  rowsOf(table).forEach((row, order) => { row.dataset.order = order; });
  const numeric = headings(table).flatMap((th, i) => th.classList.contains("number") ? [i] : []);
  const method = methodOf(table);
  for (const row of rowsOf(table)) {
    for (const i of numeric) row.cells[i].classList.add("number");
    if (!row.dataset.keys || method < 0) continue;
    const button = Object.assign(document.createElement("button"), {type: "button", className: "open", textContent: textOf(row.cells[method])});
    button.setAttribute("aria-label", `${button.textContent}: show the record of this row`);
    row.cells[method].replaceChildren(button);
  }
  if (table.classList.contains("matrix")) {
    for (const i of ["size", "same map as"].map(name => indexOf(table, name))) for (const row of table.rows) row.cells[i]?.classList.add("aside");
    for (const row of rowsOf(table)) for (const i of numeric) {
      const value = numberIn(row.cells[i]);
      if (value === null || headings(table)[i].dataset.name === "size" || headings(table)[i].dataset.name === "seed") continue;
      const whole = textOf(row.cells[i]), start = whole.indexOf(" [");
      if (start > 0) {
        row.cells[i].replaceChildren(whole.slice(0, start), Object.assign(document.createElement("span"), {className: "ends", textContent: whole.slice(start)}));
        row.cells[i].title = whole;
      }
      row.cells[i].classList.add("shaded");
      row.cells[i].style.setProperty("--v", Math.max(0, Math.min(1, value)));
    }
  }
  table.tHead.addEventListener("click", event => {
    const th = event.target.closest("th");
    if (!th || !event.target.closest("button")) return;
    const descending = nextOrder(th);
    if (table.closest("div.board")) setState({sort: (descending ? "-" : "") + th.dataset.name});
    else sortBy(table, th.dataset.name, descending);
  });
}

for (const code of $$(".answer code")) { // a word of the answer links to the glossary
  const term = $$("dt[data-word]").find(dt => dt.dataset.word === textOf(code));
  if (!term) continue;
  const link = Object.assign(document.createElement("a"), {href: `#${term.id}`});
  code.replaceWith(link);
  link.append(code);
}

addEventListener("beforeprint", () => $$("details.table").forEach(part => { part.open = true; })); // open everything for printing
const help = $("#help");
function showHelp(button) {
  const term = button && $$("dt[data-word]").find(dt => dt.dataset.word === button.dataset.word);
  help.hidden = !term;
  if (!term) return;
  help.textContent = term.nextElementSibling.textContent;
  const box = button.getBoundingClientRect();
  help.style.left = `${Math.max(8, Math.min(box.left, innerWidth - help.offsetWidth - 8)) + scrollX}px`;
  help.style.top = `${box.top - help.offsetHeight - 6 > 0 ? box.top + scrollY - help.offsetHeight - 6 : box.bottom + scrollY + 6}px`;
  button.setAttribute("aria-describedby", "help");
}
for (const type of ["mouseover", "focusin"]) document.addEventListener(type, event => showHelp(event.target.closest?.("button[data-word]")));
document.addEventListener("focusout", () => showHelp(null));
document.addEventListener("keydown", event => { if (event.key === "Escape") showHelp(null); });
