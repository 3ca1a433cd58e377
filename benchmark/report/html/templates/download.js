// What is shown, as CSV or LaTeX.
const INTERVAL = /^([+−-]?[\d.]+)(?: \(1 training\))? \[([+−-]?[\d.]+), ([+−-]?[\d.]+)\](?: \(n (\d+)\))?$/;
const TEX = {"\\": "\\textbackslash{}", "–": "--", "≤": "$\\leq$", "−": "$-$", "×": "$\\times$", "~": "\\textasciitilde{}", "^": "\\^{}"};
const escapeTex = text => text.replace(/[\\–≤−×~^&%$#_{}]/g, letter => TEX[letter] || `\\${letter}`);
const harmless = text => /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text; // no formula for a spreadsheet
const quote = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function shownCells(table) {
  const shown = cells => [...cells].filter(cell => !cell.classList.contains("off") && !cell.classList.contains("bars") && !cell.querySelector("svg.bar"));
  const rows = rowsOf(table).filter(row => !row.classList.contains("off"));
  const bars = indexOf(table, BARS), lines = rows.map(row => shown([...row.cells].filter((_, i) => i !== bars)).map(textOf));
  return [shown(table.tHead.rows[0].cells).map(th => th.dataset.name), lines];
}

function csv(table) { // an interval becomes three columns
  const [names, lines] = shownCells(table);
  const split = names.map((_, i) => lines.some(line => INTERVAL.test(line[i])));
  const head = names.flatMap((name, i) => { const plain = name.replace(" [95 %]", ""); return split[i] ? [plain, `${plain}_low`, `${plain}_high`] : [plain]; });
  const cells = (cell, i) => { const match = cell.match(INTERVAL); return split[i] ? (match ? match.slice(1, 4) : [cell, "", ""]) : [cell]; };
  return [head, ...lines.map(line => line.flatMap(cells))].map(line => line.map(cell => quote(harmless(cell === "–" ? "" : cell))).join(",")).join("\n") + "\n";
}

function tex(table) {
  const [names, lines] = shownCells(table), line = cells => `${cells.map(escapeTex).join(" & ")} \\\\`;
  return ["\\begin{table}", "\\centering\\small", `\\caption{${escapeTex(table.caption.textContent)}}`, `\\begin{tabular}{${"l".repeat(names.length)}}`, "\\toprule", line(names), "\\midrule", ...lines.map(line), "\\bottomrule", "\\end{tabular}", "\\end{table}", ""].join("\n");
}

for (const button of $$("[data-download]")) {
  button.addEventListener("click", () => {
    const kind = button.dataset.download, make = {csv, tex}[kind];
    const text = shownBlocks().map(block => make($("table", block))).join("\n");
    const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(new Blob([text], {type: "text/plain"})), download: `${suite}-${state.protocol}.${kind}`});
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
