// The record of a number: its cell, counts, thresholds and software.
const store = JSON.parse($("#data-records").textContent);
const dialog = $("#record"), body = $("#record-body");
const recordOf = key => store.records[key] ? Object.fromEntries(store.fields.map((name, i) => [name, store.values[store.records[key][i]]])) : null;

function inWords(value) {
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  if (value && typeof value === "object") return Object.entries(value).filter(([, item]) => item !== null).map(([name, item]) => `${name} ${inWords(item)}`).join("; ");
  return String(value);
}

function list(pairs) {
  const dl = document.createElement("dl");
  for (const [name, value] of pairs) {
    const text = value === null || value === undefined ? "" : inWords(value);
    if (text !== "") dl.append(named("dt", name), named("dd", text));
  }
  return dl;
}

function named(tag, text) { return Object.assign(document.createElement(tag), {textContent: text}); }

function paragraphs(key, open) {
  const record = recordOf(key);
  if (!record) return [list([["record", `${key} is not included in this page`]])];
  const {status, reason, source, rests_on, versions, checkpoints, thresholds, training, scoring, created, score, recipe, geometry, fingerprint, ...cell} = record;
  const box = document.createElement("details");
  box.open = open;
  box.append(named("summary", `record ${key}${cell.seed === null ? "" : `, seed ${cell.seed}`}`));
  box.append(list([["key", key], ...Object.entries(cell), ["status", status], ["reason", reason], [`${main} of this training run`, score], ["source", source], ["n", rests_on], ["versions", versions], ["checkpoints", checkpoints], ["boxes computed on", geometry === "none" ? null : geometry], ["images and truth (hash)", fingerprint], ["created", created]]));
  for (const [origin, chosen] of Object.entries(thresholds || {})) box.append(named("h3", `thresholds, ${origin}`), list(Object.entries(chosen)));
  if (Object.keys(recipe || {}).length) box.append(named("h3", "recipe"), list(Object.entries(recipe)));
  box.append(list([["trained with", training], ["scored with", scoring]]));
  return [box];
}

function openRecord(row, cell) {
  const table = row.closest("table"), th = headings(table)[cell.cellIndex], term = $$("dt[data-word]").find(dt => dt.dataset.word === $("button", th)?.dataset.word);
  const keys = row.dataset.keys.split(" "), method = textOf(row.cells[methodOf(table)]);
  const text = $("button.open", cell) || $("svg.bar", cell) ? "" : textOf(cell);
  $("#record-title").textContent = `${method}${text ? `: ${th.dataset.name} = ${text}` : ""}`;
  const rows = Object.entries(scoresOf(row)).map(([name, values]) => [name, words(values)]), own = protocols[table.id];
  body.replaceChildren(...(term && text ? [named("p", term.nextElementSibling.textContent)] : []));
  if (rows.length) body.append(named("h3", own ? own.main.replace(" [95%]", "") : `${main}, cross-fitted thresholds`), list(rows));
  body.append(named("h3", keys.length > 1 ? `${keys.length} records` : "Record"), ...keys.flatMap((key, i) => paragraphs(key, i === 0)));
  body.append(named("p", "To read the full record in Python:"), named("code", `next(r for r in benchmark.records.load("results/${suite}") if r.key == "${keys[0]}")`));
  dialog.showModal();
}

document.addEventListener("click", event => {
  const cell = event.target.closest?.("table.data tbody td"), row = cell?.parentElement;
  if (row?.dataset.keys && !event.target.closest("a") && !getSelection().toString()) openRecord(row, cell);
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
