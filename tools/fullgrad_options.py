"""Write the table of FullGrad's options into docs/limits.md.

    python -m tools.fullgrad_options

The scores are those of the suite `nih-sample-fullgrad`.
"""

from pathlib import Path

import pandas as pd

from tools.recipes import PAGE, ROOT, SCORE, number, replaced

SUITE = "nih-sample-fullgrad"
MARK = "<!-- fullgrad -->\n"
NETWORKS = {"PCAM": "small CNN with PCAM", "LSE": "small CNN with LSE"}
LAYERS_AND_BIAS = (
    ("all", "yes"),
    ("all", "no"),
    ("last3", "yes"),
    ("last3", "no"),
    ("last", "yes"),
    ("last", "no"),
    ("input", "–"),
)
"""Rows: the layers, and whether gradients are multiplied by the bias, of which the input has none."""
FORMS = ("absolute", "positive", "signed")
DEFAULTS = {"bias": "True", "form": "absolute", "layers": "all"}


def method_name(**options: str) -> str:
    """Return the name of FullGrad with options, as records have it.

    >>> method_name(layers="last", form="signed", bias="True"), method_name(layers="all", form="absolute", bias="True")
    ('fullgrad:form=signed,layers=last', 'fullgrad')
    """
    changed = [f"{name}={options[name]}" for name in DEFAULTS if options[name] != DEFAULTS[name]]
    return ":".join(["fullgrad", ",".join(changed)]) if changed else "fullgrad"


def table(results: Path) -> str:
    """Return the Markdown table, a row per choice of layers and bias, from the leaderboard below ``results``."""
    rows = pd.read_csv(results / SUITE / "leaderboard.csv")
    score = rows[rows["kind"] == "method"].set_index(["network", "method"])[SCORE]
    header = ["layers", "times bias"]
    for pooling in NETWORKS:
        header += [f"{pooling}: {form}" for form in FORMS]
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for layers, times_bias in LAYERS_AND_BIAS:
        bias = "False" if times_bias == "no" else "True"
        cells = [layers, times_bias]
        for network in NETWORKS.values():
            for form in FORMS:
                name = method_name(layers=layers, form=form, bias=bias)
                cells.append(number(score[network, name]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, results: Path) -> str:
    """Return the text of a page with the table between its two marks."""
    return replaced(page, MARK, table(results))


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), ROOT / "results"))
