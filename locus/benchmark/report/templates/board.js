// The tables of the protocols: intervals as bars, shading of methods that may be the best, one finding or the mean.
const findings = JSON.parse($("#data-findings").textContent), protocols = JSON.parse($("#data-protocols").textContent);
const MEAN = "mean", MAIN = `${main} [95%]`, BARS = "interval";
const VERDICT = "may be the best", GAP = ["worse by [95%]", "compared with"]; // GAP exists only for the mean
const NAMED = ["backbone", "pooling", "attention", "size", "seed", "trained on", "alignment"];
const boards = $$("div.board table");
const isLeaderboard = table => table.classList.contains("board"); // other tables have only the main metric for one finding
const mainOf = table => protocols[table.id]?.main ?? MAIN;
const scoresOf = row => (protocols[row.closest("table").id]?.rows ?? findings)[row.dataset.entry] || {};
const scoreOf = (row, finding) => scoresOf(row)[finding] || null;
const three = value => value.toFixed(3);

function words([value, low, high, n]) {
  if (value === null) return "–";
  return three(value) + (low === null ? "" : ` [${three(low)}, ${three(high)}]`) + ` (n ${n})`;
}

function svg(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function bar([value, low, high], prior, top) {
  const at = number => `${Math.min(100, 100 * number / top)}%`, picture = svg("svg", {class: "bar", role: "img"});
  picture.setAttribute("aria-label", low === null ? three(value) : `${three(value)}, from ${three(low)} to ${three(high)}`);
  if (low !== null) picture.append(svg("line", {class: "ends", x1: at(low), x2: at(high), y1: 9, y2: 9}));
  if (prior !== null) picture.append(svg("line", {class: "prior", x1: at(prior), x2: at(prior), y1: 1, y2: 17}));
  picture.append(svg("circle", {cx: at(value), cy: 9, r: 2.5}));
  return picture;
}

function priorOf(table, row, finding) {
  const method = indexOf(table, "method"), names = NAMED.map(name => indexOf(table, name)).filter(i => i >= 0);
  const same = other => names.every(i => textOf(other.cells[i]) === textOf(row.cells[i]) || textOf(other.cells[i]) === "any");
  const prior = rowsOf(table).find(other => textOf(other.cells[method]) === "prior" && same(other));
  return prior ? (scoreOf(prior, finding) || [null])[0] : null;
}

function showFinding(table, finding) {
  const column = indexOf(table, mainOf(table)), bars = indexOf(table, BARS), verdict = isLeaderboard(table) ? indexOf(table, VERDICT) : -1, gaps = GAP.map(name => indexOf(table, name)).filter(i => i >= 0);
  if (column < 0) return;
  const scores = rowsOf(table).map(row => scoreOf(row, finding));
  const reach = (score, row) => score && score[0] !== null && !row.classList.contains("limit") ? [score[2] ?? score[0]] : [];
  const top = Math.min(1, 1.05 * Math.max(.1, ...rowsOf(table).flatMap((row, i) => reach(scores[i], row))));
  headings(table)[bars].querySelector(".scale").replaceChildren(...[0, top / 2, top].map(value => Object.assign(document.createElement("span"), {textContent: value.toFixed(2)})));
  rowsOf(table).forEach((row, i) => {
    const score = scores[i], known = score && score[0] !== null;
    row.cells[column].dataset.mean ??= textOf(row.cells[column]);
    row.cells[column].textContent = finding === MEAN ? row.cells[column].dataset.mean : score ? words(score) : "–";
    row.cells[bars].replaceChildren(...(known ? [bar(score, row.classList.contains("method") ? priorOf(table, row, finding) : null, top)] : []));
    for (const i of verdict < 0 ? [] : [verdict, ...gaps]) {
      row.cells[i].dataset.mean ??= textOf(row.cells[i]);
      row.cells[i].textContent = finding === MEAN ? row.cells[i].dataset.mean : i !== verdict || !score || score[4] === null ? "–" : score[4] ? "yes" : "no";
    }
    row.classList.toggle("may-be-best", Boolean(score && score[4]));
  });
}

function addColumn(table, name, after) { // empty, at the end or after a column
  const th = Object.assign(document.createElement("th"), {scope: "col"}), last = headings(table).length - 1;
  th.dataset.name = name;
  headings(table)[after ?? last].after(th);
  for (const row of rowsOf(table)) row.cells[after ?? last].after(document.createElement("td"));
  return th;
}

for (const table of boards) {
  const name = mainOf(table);
  if (indexOf(table, name) < 0) {
    if (isLeaderboard(table) || !rowsOf(table).some(row => Object.keys(scoresOf(row)).length)) continue;
    addColumn(table, name).append(Object.assign(document.createElement("button"), {type: "button", textContent: name}));
    headings(table).at(-1).classList.add("number");
  }
  const column = indexOf(table, name), th = addColumn(table, BARS, column);
  th.className = "bars";
  th.textContent = BARS;
  th.dataset.decides = "";
  th.append(Object.assign(document.createElement("div"), {className: "scale"}));
  for (const row of rowsOf(table)) row.cells[column].classList.add("main", ...(isLeaderboard(table) ? [] : ["number"]));
}
