// The visible rows and columns as CSV or LaTeX.
const INTERVAL = /^([+−-]?[\d.]+)(?: \(1 run\))? \[([+−-]?[\d.]+), ([+−-]?[\d.]+)\](?: \(n (\d+)\))?$/;
const BARE = /^\[([+−-]?[\d.]+), ([+−-]?[\d.]+)\]$/, COUNTED = /^([+−-]?[\d.]+) \((?:1 run|n (\d+))\)$/;
const LONGEST = 45; // maximum number of rows of a LaTeX table on one page
const TEX = {"\\": "\\textbackslash{}", "–": "--", "≤": "$\\leq$", "≥": "$\\geq$", "<": "$<$", ">": "$>$", "−": "$-$", "×": "$\\times$", "~": "\\textasciitilde{}", "^": "\\^{}"};
const escapeTex = text => text.replace(/[\\–≤≥<>−×~^&%$#_{}]/g, letter => TEX[letter] || `\\${letter}`);
const harmless = text => /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text; // a spreadsheet must not run it as a formula
const quote = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function shownCells(table) {
  const shown = cells => [...cells].filter(cell => !cell.classList.contains("off") && !cell.classList.contains("bars") && !cell.querySelector("svg.bar"));
  const rows = rowsOf(table).filter(row => !row.classList.contains("off"));
  const bars = indexOf(table, BARS), lines = rows.map(row => shown([...row.cells].filter((_, i) => i !== bars)).map(textOf));
  return [shown(table.tHead.rows[0].cells).map(th => th.dataset.name), lines];
}

const findingOf = () => state.finding === MEAN ? "" : state.finding;

function partsOf(cell) { // value, low, high, n
  const whole = cell.match(INTERVAL), bare = cell.match(BARE), counted = cell.match(COUNTED);
  if (whole) return [1, 2, 3, 4].map(i => whole[i] || "");
  if (bare) return ["", bare[1], bare[2], ""];
  return counted ? [counted[1], "", "", counted[2] || ""] : [cell === "–" ? "" : cell, "", "", ""];
}

function csv(table) { // the ends of an interval and n get separate columns
  const [names, lines] = shownCells(table), parted = lines.map(line => line.map(partsOf)), finding = findingOf();
  const used = names.map((_, i) => [0, 1, 2, 3].filter(part => parted.some(line => line[i][part])));
  const parts = used.map(kept => kept.length ? kept : [0]);
  const head = names.flatMap((name, i) => parts[i].map(part => name.replace(" [95%]", "") + ["", "_low", "_high", "_n"][part]));
  const rows = [head, ...parted.map(line => line.flatMap((cell, i) => parts[i].map(part => cell[part])))];
  const named = finding ? rows.map((row, i) => [i ? finding : "finding", ...row]) : rows;
  return named.map(row => row.map(cell => quote(harmless(cell))).join(",")).join("\n") + "\n";
}

function tex(table) {
  const [names, lines] = shownCells(table), line = cells => `${cells.map(escapeTex).join(" & ")} \\\\`;
  const about = [suite, state.dataset, table.caption.textContent, findingOf()].filter(word => word).join(", ");
  const parts = Array.from({length: Math.max(1, Math.ceil(lines.length / LONGEST))}, (_, i) => lines.slice(i * LONGEST, (i + 1) * LONGEST));
  return parts.map((part, i) => ["\\begin{table}", "\\centering", `\\caption{${escapeTex(about + (parts.length > 1 ? ` (${i + 1} of ${parts.length})` : ""))}}`, "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%", `\\begin{tabular}{${"l".repeat(names.length)}}`, "\\toprule", line(names), "\\midrule", ...part.map(line), "\\bottomrule", "\\end{tabular}}", "\\end{table}", ""].join("\n")).join("\n");
}

for (const button of $$("[data-download]")) {
  button.addEventListener("click", () => {
    const kind = button.dataset.download, make = {csv, tex}[kind];
    const text = shownBlocks().map(block => make($("table", block))).join("\n");
    const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(new Blob([text], {type: "text/plain"})), download: `${[suite, state.protocol, state.finding === MEAN ? "" : state.finding].filter(word => word).join("-")}.${kind}`});
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
