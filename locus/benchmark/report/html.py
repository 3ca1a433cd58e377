"""``index.html`` of a suite: one self-contained file with the answer, the leaderboard, all tables and their records.

``render``      a template as HTML with inlined styles, scripts and data; other pages use it, too
``charts``      the charts of a page: title, description and Vega-Lite specification
``glossary``    the meaning of the column headings: ``WORDS``, the help of each column
``suite_page``  the page, from the same tables as all other reports

Tables come from ``all_tables``, answers from ``answer``, charts from ``chart_list``; ``tables`` writes the file.
"""

import contextlib
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from locus.benchmark.records import Record
from locus.benchmark.report import main_table, select
from locus.benchmark.report.all_tables import DatasetTables
from locus.benchmark.report.answer import answer, answers_of_checks, is_external, of_entry, of_protocol_table
from locus.benchmark.report.chart_list import CHARTS
from locus.benchmark.report.charts import LIGHTER, NAMES, THEMES
from locus.benchmark.report.page import DECIDE, Description, missing
from locus.benchmark.report.table import NOTHING, Table, with_interval
from locus.core.errors import NotAvailableError, WriteError
from locus.core.files import json_hash, write_text
from locus.core.names import BASELINES, MAIN, MAIN_PROTOCOL, PAIRED, UPPER_BOUND_AND_PEOPLE

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """Render a template of ``folder`` with ``values``, which are escaped. It may include templates of this package."""
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    """Return the template environment for pages in ``folder``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import, and only needed for pages

    loader = FileSystemLoader([folder, FOLDER])
    environment = Environment(
        autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"marked": marked, "data": data}
    environment.globals["file"] = lambda name: Markup(loader.get_source(environment, name)[0])  # a style or script
    return environment


def data(value: Any) -> Markup:
    r"""Return JSON for use inside a ``<script>`` element; its characters cannot end the element.

    >>> print(data(["<b>"]))
    ["\u003cb\u003e"]
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def marked(text: str) -> Markup:
    """Escape plain text and mark up its `code`; a --flag in it is never broken.

    >>> str(marked("`a < b` & c"))
    '<code>a &lt; b</code> &amp; c'
    """
    escaped = escape(text)
    return Markup(re.sub(r"`([^`]+)`", lambda m: f"<code>{_whole(m[1])}</code>", escaped)) if "`" in text else escaped


def link_documents(page: str, checkout: Path | None) -> str:
    """Link the names of documents in the text of an HTML page. ``checkout``: relative path of the checkout, or None.

    >>> link_documents("<p>see <code>docs/score.md</code></p>", Path("../.."))
    '<p>see <code><a href="../../docs/score.md">docs/score.md</a></code></p>'
    """
    if checkout is None:
        return page
    parts = re.split(r"(<script.*?</script>|<a .*?</a>|<[^>]*>)", page, flags=re.DOTALL)
    link = rf'<a href="{checkout.as_posix()}/\g<0>">\g<0></a>'
    parts[::2] = [re.sub(r"(?<![\w/])(?:docs|results)/\w+\.md\b", link, text) for text in parts[::2]]
    return "".join(parts)


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)


AS_TABLE = ("matrix",)
"""Charts that the page shows as tables."""
OPTIONS = {"mode": "vega-lite", "renderer": "svg", "actions": False, "tooltip": {"theme": "dark"}}
STARTER = """window.drawCharts = () => {{
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
  const theme = {themes}[dark ? "dark" : "light"];
  return Promise.all([...document.querySelectorAll("[data-chart]")].map((element) => {{
    const text = document.getElementById(element.dataset.chart).textContent, lighter = Object.entries({lighter});
    const chart = JSON.parse(dark ? lighter.reduce((now, [from, to]) => now.replaceAll(from, to), text) : text);
    const columns = Math.max(1, Math.floor((element.clientWidth - {names}) / chart.usermeta.legend));
    const config = {{...theme, legend: {{...theme.legend, columns}}}};
    return vegaEmbed(element, {{...chart, width: element.clientWidth}}, {{...{options}, config}});
  }}));
}};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", window.drawCharts);
addEventListener("resize", lodashDebounce(window.drawCharts, 200));
for (const moment of ["beforeprint", "afterprint"]) addEventListener(moment, window.drawCharts);
addEventListener("DOMContentLoaded", window.drawCharts);
"""
"""Fills each ``<div data-chart="ID">`` with the chart of ``<script type="application/json" id="ID">``."""
SETTINGS = {"options": OPTIONS, "themes": THEMES, "lighter": LIGHTER, "names": NAMES}
SCRIPT = STARTER.format(**{name: json.dumps(value) for name, value in SETTINGS.items()})
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "locus"


def charts(tables: DatasetTables) -> list[dict[str, Any]]:
    """Return ``id``, ``title``, ``dataset``, caption and specification of the charts of a data set and of its checks.

    A chart without data has the reason as its caption and no specification.
    """
    of_methods = [chart for chart in CHARTS if chart.name not in AS_TABLE] if tables.methods else []
    of_checks = (chart for report in tables.reports for chart in report.charts)
    dataset, views = tables.leaderboard.dataset, []
    for chart in (*of_methods, *of_checks):
        try:
            drawn = chart.spec(tables.leaderboard)
            about = {"about": drawn["description"], "spec": drawn}
        except NotAvailableError as error:
            about = {"about": str(error), "spec": None}
        views.append({"id": f"chart-{dataset}-{chart.name}", "title": chart.title, "dataset": dataset, **about})
    return views


def scripts() -> str:
    """Return Vega, Vega-Lite, vega-embed and ``SCRIPT`` as one script (0.9 MB), to be inlined once."""
    import vl_convert  # starts a browser engine, only needed for pages

    return vl_convert.javascript_bundle(SCRIPT)


def drawing() -> str:
    """Return the scripts that draw the charts. Bundling takes seconds, so they are cached in ``CACHE``."""
    cached = CACHE / f"vega-{version('vl-convert-python')}-{json_hash(SCRIPT)}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    text = scripts()
    with contextlib.suppress(WriteError):  # in a read-only folder, the next page bundles them again
        write_text(cached, text)
    return text


WORDS = {
    MAIN: "The main column: share of cases (an image and a finding) where the box of the map overlaps an annotated box "
    "with IoU > .3; mean over findings.",
    "backbone": "The network's feature extractor.",
    "pooling": "How the feature map becomes one number per finding.",
    "attention": "Attention module that weights the feature map before pooling.",
    "size": "Side length of the square input in pixels.",
    "seed": "Seed of the training run. Each seed gives a different network.",
    "trained on": "Training data of a submitted network, as stated by its authors.",
    "method": "How the heat map is computed from the network. prior, center, noise and untrained are baselines; truth "
    "is the upper bound that the network's grid allows.",
    "same map as": "Method that gives the same map by construction under this pooling, or that has the same scores on "
    "this network.",
    "this run only": "95% interval over patients, for this one training run. Another run may score outside it.",
    "training runs": "Number of training runs behind the row. They differ only by their seed.",
    "sd over runs": "Standard deviation of the scores of the training runs.",
    "one more run": "Interval in which another training run is expected to score on these images (95%).",
    "may be the best": "yes: no other row is significantly better (5%, Holm). Methods are compared within their "
    "network, networks within their grid. no: below prior: the row is significantly below prior.",
    "worse by": "How much better the row named under `compared with` is, with the 95% interval of that difference.",
    "compared with": "The top row. If it is not significantly better but other rows are, the best of those.",
    "networks": "Number of networks with this method and at least two training runs.",
    "upper bound": "Score of truth: the best score that a map on this grid can reach.",
    "share of upper bound": "Mean over the methods on the network's grid, divided by the upper bound.",
    "− prior": "The main column minus that of prior on the same cases. prior shows where other patients have the "
    "finding, so a method that does not beat it shows nothing about this image.",
    "p (Holm)": "p-value of the difference from prior, corrected (Holm) over the methods and baselines of the network.",
    "P(best)": "Share of bootstrap draws of patients (and training runs) where the row has the highest score. It is "
    "descriptive, not a test.",
    "optimism": "oracle − cross-fitted: how much a score gains if its threshold is chosen on the test annotations. "
    "Published numbers often include it.",
    "oracle": "Score at the threshold chosen on the test annotations: an upper bound, never a result.",
    "cross-fitted": "Score at the threshold chosen on the annotations of other patients, in five folds.",
    "validation": "Score at the threshold chosen on validation images.",
    "fixed": "Score at the threshold .5 for all maps.",
    "otsu": "Score at the threshold of each map by Otsu's rule.",
    "pointing": "Share of cases where the maximum of the map is inside a truth box. Needs no threshold.",
    "anyhit@iou.3": "Share of truth boxes that any box of the map hits with IoU > .3.",
    "boxes_per_case": "Mean number of predicted boxes per map.",
    "n cases": "Number of cases behind the main column: pairs of an image and a finding with a truth box.",
    "n boxes": "Number of truth boxes.",
    "auroc": "How well the network separates images with and without a finding. It says nothing about location.",
    "auroc, images with boxes": "AUROC on the images that have a box.",
    "note": "Remarks: baseline or upper bound, reason for not being compared, not shown to be above prior.",
    "energy": "Share of the sum of the map's positive values that lies inside the truth.",
    "insertion": "Area under the curve of the finding's probability while a blurred image is restored, highest pixels "
    "of the map first. Higher is more faithful.",
    "deletion": "Area under the curve of the finding's probability while pixels are replaced by grey, highest first. "
    "Lower is more faithful.",
    "road": "Half the difference in probability between imputing the least and the most relevant pixels. Higher is "
    "more faithful.",
    "tau": "Kendall's rank correlation: 1 is the same order, -1 the reverse order.",
    "alignment": "aligned: the map is placed where the network looked. conventional: where interpolation puts it.",
}
LEVEL = re.compile(r"(hit|acc|afp|anyhit)@(iou|iobb)\.(?:\d+|x)")
HIT_METRICS = {
    "hit": "Share of cases with",
    "acc": "Share of truth boxes with",
    "anyhit": "Share of truth boxes that some box hits with",
    "afp": "False boxes per truth box. A box is false if it has no truth box with",
}
OVERLAPS = {
    "iou": "IoU (area of the intersection divided by area of the union)",
    "iobb": "IoBB (area of the intersection divided by area of the predicted box)",
}


def word_of(heading: str) -> str:
    """Return the key of a heading in ``WORDS``.

    >>> word_of("− prior [95%]"), word_of("Mass (n 110)"), word_of("hit@iou.3 oracle"), word_of("acc@iobb.25")
    ('− prior', 'Mass', 'oracle', 'acc@iobb.x')
    """
    word = re.sub(r" \[95%[^\]]*\]$| \(n \d+\)$", "", heading)
    if word not in WORDS and (rest := word.removeprefix(f"{MAIN} ")) in WORDS:
        return rest
    if word not in WORDS and (level := LEVEL.fullmatch(word)):
        return f"{level[1]}@{level[2]}.x"
    return word.partition(",")[0] if word not in WORDS and word.partition(",")[0] in WORDS else word


def meaning(heading: str) -> str:
    """Explain a heading; empty if it needs no explanation.

    >>> meaning("hit@iobb.5")
    'Share of cases with IoBB (area of the intersection divided by area of the predicted box) > the level (seed: ≥).'
    """
    word = word_of(heading)
    if word in WORDS:
        return WORDS[word]
    level = LEVEL.fullmatch(word)
    return f"{HIT_METRICS[level[1]]} {OVERLAPS[level[2]]} > the level (seed: ≥)." if level else ""


def glossary(headings: Iterable[str]) -> dict[str, str]:
    """Return word -> meaning for all headings that have one, in alphabetical order."""
    words = {word_of(heading): text for heading in headings if (text := meaning(heading))}
    return dict(sorted(words.items(), key=lambda pair: pair[0].lower().lstrip("− ")))


PAGE = "index.html"
View = dict[str, Any]
"""A table of a page: ``id``, ``title``, paragraphs of the ``intro``, ``headings``, ``lines`` and ``footnote``."""
NUMBER = re.compile(r"^[<≥]?\s*[+−-]?\d")
KINDS = dict.fromkeys(BASELINES, "baseline") | dict.fromkeys(UPPER_BOUND_AND_PEOPLE, "limit")
"""Method -> kind of its row; any other row with a method is a ``method``."""
CELL_FIELDS = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map", "img_size", "seed", "model_id"),
    *("method", "alignment", "protocol", "recipe"),
)
RECORD_FIELDS = ("status", "reason", "source", "rests_on", "versions", "checkpoints", "geometry", "fingerprint")
FIELDS = (*CELL_FIELDS, *RECORD_FIELDS, "training", "scoring", "thresholds", "created", "score")
SECTIONS = ("checks", "networks", "effects", "findings", "details", "papers")
"""Fields of ``DatasetTables`` that are sections of the page without changes."""


def suite_page(
    name: str,
    description: Description,
    has_gallery: bool,
    records: Sequence[Record],
    datasets: Sequence[DatasetTables],
) -> str:
    """Render the page; the same records give the same bytes. ``has_gallery``: the folder has a ``gallery.html``."""
    contexts = [_dataset(tables) for tables in datasets]
    gaps = [view(table, {}) for table in [missing(records)] if table.rows]
    views = [*(table for context in contexts for table in _views(context)), *gaps]
    drawn = [chart for tables in datasets for chart in charts(tables)]
    linked_keys = {key for table in views for line in table["lines"] for key in line["records"]}
    rows = [row for tables in datasets for entries in tables.leaderboard.parts.values() for row in entries]
    return render(
        "suite.html",
        name=name,
        page=description,
        has_gallery=has_gallery,
        main=MAIN,
        command=command(name, records),
        external=is_external(records),
        datasets=contexts,
        missing=gaps,
        counts=_counts(records),
        seeds=_more_seeds(records),
        glossary=glossary(heading_texts(views)),
        records=record_details(record for record in records if record.key in linked_keys),
        findings={row.key: of_entry(row) for row in rows},
        protocols={key: table for tables in datasets for key, table in _by_finding(tables).items()},
        charts=drawn,
        drawing=drawing() if any(chart["spec"] for chart in drawn) else "",
    )


def command(name: str, records: Sequence[Record]) -> str:
    """Return the command that writes the page again.

    >>> command("demo", [])
    'python -m benchmark.run --suite demo'
    """
    if is_external(records):
        return "python -m benchmark.score --entry …  (docs/score.md)"
    return f"python -m benchmark.run --suite {name}"


def _more_seeds(records: Sequence[Record]) -> list[int]:
    """Return the seeds of the records plus a new one, at least three in all."""
    seeds = sorted({record.cell.seed for record in records if record.cell.seed is not None})
    first = max(seeds, default=-1) + 1
    return [*seeds, *range(first, first + max(1, 3 - len(seeds)))]


def _dataset(tables: DatasetTables) -> dict[str, Any]:
    """Return the answers and tables of a data set by section; tables of methods are pairs of menu label and table."""
    leaderboard = tables.leaderboard
    answers = [one for one in (answer(leaderboard), *answers_of_checks(tables.reports)) if one is not None]
    runs = {row.key: [run.key for run in row.runs] for rows in leaderboard.parts.values() for row in rows}

    def views(group: Iterable[Table]) -> list[View]:
        return [view(table, runs, leaderboard.dataset) for table in group]

    labels = [layout.protocol for layout, _ in tables.protocols]
    return {
        "name": leaderboard.dataset,
        "answers": answers,
        "first": views(one.findings for one in answers if one.findings is not None),
        **{section: views(getattr(tables, section)) for section in SECTIONS},
        "methods": [
            *((_label(view), view) for view in views(tables.methods)),
            *zip(labels, views(table for _, table in tables.protocols), strict=True),
        ],
    }


def _views(dataset: Mapping[str, Any]) -> list[View]:
    methods = [view for _, view in dataset["methods"]]
    return [*dataset["first"], *methods, *(view for section in SECTIONS for view in dataset[section])]


def _by_finding(tables: DatasetTables) -> dict[str, Any]:
    """Return id of another protocol's table -> its main metric in each finding."""
    by_key = {record.key: record for record in tables.leaderboard.records}
    return {anchor(table.title): of_protocol_table(layout, table, by_key) for layout, table in tables.protocols}


def _label(view: View) -> str:
    """Return the main protocol's name; for a part of the images with their number."""
    return MAIN_PROTOCOL + str(view["title"]).removeprefix(main_table.TITLE).replace(", ", ": ")


def _counts(records: Sequence[Record]) -> dict[str, int]:
    runs = [record for record in records if record.source == "run" and record.cell.protocol != PAIRED]
    return {status: sum(record.status == status for record in runs) for status in ("ok", "n/a", "failed")}


def view(table: Table, entries: Mapping[str, Sequence[str]], dataset: str = "") -> View:
    """Return a table with the glossary key of each heading, and the records behind and the kind of each line.

    ``entries``: key of a leaderboard's row -> keys of the records of its training runs.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    lines = []
    for cells, keys in zip(table.rows, table.keys or ((),) * len(table.rows), strict=True):
        method = cells[table.header.index("method")] if "method" in table.header else ""
        records = [key for name in keys for key in entries.get(name, [name])]
        kind = KINDS.get(method, "method") if method else ""
        lines.append({"cells": cells, "records": records, "entry": keys[0] if keys else "", "kind": kind})
    return {
        "id": anchor(table.title),
        "title": table.title.removeprefix(f"{dataset}: "),
        "intro": table.intro.split("\n"),
        "headings": [_heading(text, cells) for text, cells in zip(table.header, columns, strict=True)],
        "lines": lines,
        "footnote": table.footnote,
    }


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def heading_texts(views: Iterable[View]) -> list[str]:
    """Return the distinct headings of some tables."""
    return list(dict.fromkeys(heading["text"] for view in views for heading in view["headings"]))


def _heading(text: str, cells: Sequence[str]) -> dict[str, Any]:
    """Return a heading: its key in the glossary, whether all cells are numbers, and whether it is shown by default."""
    values = [cell for cell in cells if cell not in ("", NOTHING)]
    numeric = bool(values) and all(NUMBER.match(cell) for cell in values)
    decides = text.removesuffix(" [95%]") in DECIDE
    return {"text": text, "word": word_of(text) if meaning(text) else "", "numeric": numeric, "decides": decides}


def record_details(records: Iterable[Record]) -> dict[str, Any]:
    """Return ``fields``, the distinct ``values``, and for each record's key the index of each field's value."""
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    index: dict[str, int] = {}
    rows = {r.key: [index.setdefault(encode(value), len(index)) for value in _values(r)] for r in records}
    return {"fields": list(FIELDS), "values": [json.loads(text) for text in index], "records": rows}


def _values(record: Record) -> Iterable[Any]:
    """Yield the values of a row of ``record_details``, in the order of their names."""
    yield from (getattr(record.cell, name) for name in CELL_FIELDS)
    yield from (getattr(record, name) for name in RECORD_FIELDS)
    for provenance in (record.training, record.scoring):
        yield None if provenance is None else provenance.model_dump(mode="json", exclude_defaults=True)
    wanted = ("cross-fitted", "oracle") if record.cell.protocol == MAIN_PROTOCOL else ()
    yield {origin: record.thresholds[origin] for origin in wanted if origin in record.thresholds}
    yield record.created
    yield None if (main := select.main_score(record)) is None else with_interval(main)
