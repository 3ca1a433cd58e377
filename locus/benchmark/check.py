"""Command line: check a method, a network, a data set or results.

``python -m benchmark.check method mycam``, ``... model net.py:build``, ``... dataset NAME --data_root_dir PATH``;
``... results FOLDER``; ``... methods`` lists all methods.
"""

import logging
import sys
from collections.abc import Sequence

from locus.config import CheckConfig, DatasetCheckConfig, ModelCheckConfig, ResultsCheckConfig
from locus.core.errors import BadValueError
from locus.flags import cli

log = logging.getLogger(__name__)
USAGE = (
    "write `method NAME`, `method FILE.py:Class`, `dataset NAME --data_root_dir PATH`, `model FILE.py:build` "
    "or `results FOLDER`; `methods` lists all methods"
)


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> int:
    """Check a data set, a network or methods; exit code 1 if a check fails, 2 for invalid input."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["methods"]:
        log.info("importing all methods")
        from locus.benchmark.inspect.method import page

        print(page(), end="")
        return 0
    if args[:1] == ["dataset"]:
        return _dataset(args[1:])
    if args[:1] == ["model"]:
        return _model(args[1:])
    if args[:1] == ["results"]:
        return _results(args[1:])
    if args[:1] != ["method"] and not "".join(args[:1]).startswith("-"):
        raise BadValueError(
            f"{f'unknown command {args[0]!r}' if args else 'no command given'}: {USAGE}"
        )
    flags = cli.first_as_flag("--method", args[1:]) if args[0] == "method" else args
    config, _ = cli.parse(CheckConfig, flags, "python -m benchmark.check method NAME")
    if not config.method:
        raise BadValueError(f"no method given: {USAGE}")
    log.info("checking %s", ", ".join(config.method))
    from locus.benchmark.inspect import method  # torch is imported after the arguments are checked

    return 1 if method.run(config.method, config.threads, cli.say) else 0


def _dataset(args: Sequence[str]) -> int:
    """Check the data set that the first argument names."""
    if not args:
        raise BadValueError(f"no data set given: {USAGE}")
    config, _ = cli.parse(
        DatasetCheckConfig,
        cli.first_as_flag("--dataset", args),
        "python -m benchmark.check dataset NAME",
    )
    if config.download:
        from locus.datasets.io import download

        download.fetch(config.dataset, config.data_root_dir)
    from locus import datasets

    datasets.check(config.dataset, config.data_root_dir)
    log.info("reading the tables of %s", config.dataset)
    from locus.benchmark.inspect import dataset

    return 1 if dataset.run(config, cli.say) else 0


def _model(args: Sequence[str]) -> int:
    """Check the network that the first argument names."""
    config, _ = cli.parse(
        ModelCheckConfig, cli.first_as_flag("--model", args), "python -m benchmark.check model NAME"
    )
    if config.model is None:
        raise BadValueError(f"no network given: {USAGE}")
    from locus.benchmark.inspect import model

    return 1 if model.run(config, cli.say) else 0


def _results(args: Sequence[str]) -> int:
    """Check the results in the folder that the first argument names."""
    arguments = cli.first_as_flag("--folder", args)
    config, _ = cli.parse(ResultsCheckConfig, arguments, "python -m benchmark.check results FOLDER")
    if not config.folder:
        raise BadValueError(f"no folder given: {USAGE}")
    from locus.benchmark.inspect import results

    return results.run(config, cli.say)


if __name__ == "__main__":
    sys.exit(main())
