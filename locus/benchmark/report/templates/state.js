// The address contains the state of the page, so a link shows the same rows and columns.
const controls = $("#controls"), FILTERS = ["backbone", "pooling", "method"], NO_SORT = "";
const first = {dataset: "", protocol: "", finding: MEAN, backbone: "", pooling: "", method: "", sort: NO_SORT, columns: ""};
let state = {...first};
const unique = values => [...new Set(values)];
const valuesOf = name => unique($$("table.data").flatMap(table => {
  const index = indexOf(table, name);
  return index < 0 || !table.querySelector("tr[data-keys]") ? [] : rowsOf(table).map(row => textOf(row.cells[index]));
})).filter(value => !["", "–", "any"].includes(value)).sort(collator.compare);
const blocks = $$("div.board");
const shownBlocks = () => blocks.filter(block => !block.classList.contains("off"));

function readAddress() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return false;
  const given = Object.fromEntries(new URLSearchParams(hash));
  state = {...first, ...Object.fromEntries(Object.entries(given).filter(([name]) => name in first))};
  return true;
}

function setState(changes, followed = false) { // followed: the browser's back button undoes it
  state = {...state, ...changes};
  show();
  writeAddress(followed);
}

function writeAddress(followed = false) {
  const kept = Object.entries(state).filter(([name, value]) => value !== first[name]);
  history[followed ? "pushState" : "replaceState"](null, "", `#${new URLSearchParams(kept)}`);
}

function fill(name, values, label) {
  const select = controls.elements[name], options = values.map(value => new Option(label(value), value));
  select.replaceChildren(...options);
  if (!values.includes(state[name])) state[name] = values[0] ?? "";
  select.value = state[name];
  select.closest("label").classList.toggle("off", values.length < 2);
}

function fillControls() {
  fill("dataset", unique(blocks.map(block => block.dataset.dataset)), value => value);
  const here = blocks.filter(block => block.dataset.dataset === state.dataset);
  fill("protocol", unique(here.map(block => block.dataset.protocol)), value => value);
  const entries = here.filter(block => block.dataset.protocol === state.protocol).flatMap(block => rowsOf($("table", block))).map(scoresOf);
  fill("finding", unique([MEAN, ...entries.flatMap(Object.keys)]), value => value === MEAN ? "mean over findings" : value);
  for (const name of FILTERS) fill(name, ["", ...valuesOf(name)], value => value || "all");
}

function choosable(table) { // for one finding: only its columns
  const names = headings(table).map(th => th.dataset.name), scores = [mainOf(table), BARS];
  if (state.finding !== MEAN) return names.filter(name => [...NAMED, "method", "same map as", ...scores, ...(isLeaderboard(table) ? [VERDICT] : [])].includes(name));
  return isLeaderboard(table) ? names : names.filter(name => !scores.includes(name));
}

function columnsOf(table) {
  const names = choosable(table);
  if (state.columns) return names.filter(name => state.columns.split("~").includes(name));
  const aside = matchMedia("(max-width: 600px)").matches ? ["size", "same map as"] : [];
  const wide = names.filter(name => !aside.includes(name));
  if (state.finding !== MEAN) return wide;
  const decides = new Set(headings(table).filter(th => "decides" in th.dataset).map(th => th.dataset.name));
  return isLeaderboard(table) ? wide.filter(name => decides.has(name)) : names;
}

function showColumns(table) {
  const shown = columnsOf(table), off = headings(table).map(th => !shown.includes(th.dataset.name));
  for (const row of [table.tHead.rows[0], ...rowsOf(table)]) [...row.cells].forEach((cell, i) => cell.classList.toggle("off", off[i]));
  return shown;
}

function offerColumns() {
  const tables = shownBlocks().map(block => $("table", block)), shown = tables.flatMap(columnsOf);
  const box = $(".columns fieldset"), legend = $("legend", box);
  box.replaceChildren(legend, ...unique(tables.flatMap(choosable)).map(name => {
    const label = document.createElement("label"), input = Object.assign(document.createElement("input"), {type: "checkbox", name: "column", value: name, checked: shown.includes(name)});
    label.append(input, name);
    return label;
  }));
}

function filterRows(table) {
  const tests = FILTERS.filter(name => state[name]).map(name => [indexOf(table, name), state[name]]).filter(([i]) => i >= 0);
  for (const row of rowsOf(table)) row.classList.toggle("off", tests.some(([i, value]) => ![value, "any"].includes(textOf(row.cells[i]))));
}

function show() {
  fillControls();
  for (const block of blocks) block.classList.toggle("off", block.dataset.dataset !== state.dataset || block.dataset.protocol !== state.protocol);
  for (const table of boards) showFinding(table, state.finding);
  $$("table.data").filter(table => table.querySelector("tr[data-keys]")).forEach(filterRows);
  for (const block of shownBlocks()) {
    const table = $("table", block), sort = state.sort || (state.finding === MEAN ? NO_SORT : `-${mainOf(table)}`);
    showColumns(table);
    sortBy(table, sort.replace(/^-/, ""), sort.startsWith("-"));
  }
  offerColumns();
  const rows = shownBlocks().flatMap(block => rowsOf($("table", block)));
  const filters = FILTERS.filter(name => state[name]).map(name => `${name} ${state[name]}`).join(", ");
  $(".state").textContent = `${rows.filter(row => !row.classList.contains("off")).length} of ${rows.length} rows` + (filters ? `: ${filters} (in all tables of this page)` : "") + (state.finding === MEAN ? "" : `; only ${state.finding}: columns with means over findings are hidden`) + (state.finding === MEAN || shownBlocks().every(block => isLeaderboard($("table", block))) ? "" : "; only the protocol locus shows which rows may be the best");
}

function linkFindings() { // from the best method of a finding to all rows of that finding
  for (const row of $$("section.answer table.first tbody tr")) {
    const cell = row.cells[0], changes = {...first, dataset: row.closest("section").dataset.dataset, finding: textOf(cell)};
    const link = Object.assign(document.createElement("a"), {href: `#${new URLSearchParams({finding: changes.finding})}`, textContent: changes.finding});
    link.addEventListener("click", event => { event.preventDefault(); setState({...changes, protocol: ""}, true); $("#leaderboard").scrollIntoView(); });
    cell.replaceChildren(link);
  }
}

if (controls) {
  const start = () => { // a link with a state opens it; a link within the page does not change the state
    const isState = location.hash.includes("=");
    if (readAddress()) show();
    else if (Object.keys(first).some(name => state[name] !== first[name])) writeAddress();
    if (isState) $("#leaderboard").scrollIntoView();
  };
  first.dataset = blocks[0].dataset.dataset;
  first.protocol = blocks[0].dataset.protocol;
  state = {...first};
  controls.hidden = false;
  show();
  start();
  linkFindings();
  addEventListener("hashchange", start);
  controls.addEventListener("change", event => {
    const name = event.target.name;
    if (name === "column") setState({columns: $$("input[name=column]:checked").map(input => input.value).join("~")});
    else if (name === "dataset" || name === "protocol") setState({...first, ...Object.fromEntries([...FILTERS, "finding"].map(word => [word, state[word]])), dataset: state.dataset, [name]: event.target.value});
    else setState({[name]: event.target.value, ...(name === "finding" ? {sort: NO_SORT, columns: ""} : {})});
  });
  controls.addEventListener("reset", event => { event.preventDefault(); setState({...first}); });
  controls.addEventListener("submit", event => event.preventDefault());
  document.addEventListener("click", event => { const open = $(".columns[open]"); if (open && !open.contains(event.target)) open.open = false; });
}
