"""Import Lightning without the packages that it needs only for other tasks.

Lightning imports torchmetrics, which imports all installed packages for which it has metrics (torchvision,
transformers, SciPy, Matplotlib). It also imports torch's compiler, as does the first step of any optimizer. Together
these take several times as long as torch itself.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from importlib import metadata, util
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import lightning_utilities.core.imports as requirements
import torch

UNUSED = frozenset({"torchvision", "transformers", "scipy", "matplotlib"})
"""Packages that torchmetrics imports if they are installed."""
COMPILER = "torch._dynamo"


class LazyCompiler(ModuleType):
    """Replaces torch's compiler until something is compiled; any attribute not defined here imports it.

    Without compiled code there is no graph to break, no compiled module, and nothing to exclude from compilation.
    """

    OptimizedModule = type("OptimizedModule", (), {})

    def __init__(self) -> None:
        """Set the name and the folder of submodules of the compiler."""
        super().__init__(COMPILER)
        self.__path__ = [str(Path(torch.__file__).with_name("_dynamo"))]

    @staticmethod
    def disable(function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """Return the function unchanged."""
        return function

    @staticmethod
    def graph_break(*_: Any, **__: Any) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        """Import the compiler and return its attribute ``name``."""
        if name.startswith("__"):  # queried by the import system
            raise AttributeError(name)
        return getattr(import_compiler(), name)


def import_compiler() -> ModuleType:
    """Import torch's compiler, replacing its substitute."""
    if isinstance(sys.modules.get(COMPILER), LazyCompiler):
        del sys.modules[COMPILER]
    return importlib.import_module(COMPILER)


class SubmoduleFinder(MetaPathFinder, Loader):
    """Imports the whole compiler when one of its submodules is imported while the substitute is in use."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Return the submodule if the compiler has imported it; None for any other module."""
        if not name.startswith(f"{COMPILER}.") or not isinstance(sys.modules.get(COMPILER), LazyCompiler):
            return None
        import_compiler()
        return ModuleSpec(name, self) if name in sys.modules else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the imported submodule, with its own specification."""
        module = sys.modules[spec.name]
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the submodule is complete."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


@contextlib.contextmanager
def _without_unused() -> Iterator[None]:
    """Report the ``UNUSED`` packages as missing to Lightning and torchmetrics in this block."""

    def hiding(query: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda name: _raise_missing(name) if name in UNUSED else query(name)

    with mock.patch.multiple(
        requirements, create=True, find_spec=hiding(util.find_spec), _version=hiding(metadata.version)
    ):
        yield
    for cached in (requirements.package_available, requirements.module_available):
        cached.cache_clear()


def _raise_missing(name: str) -> None:
    raise metadata.PackageNotFoundError(name)


if COMPILER not in sys.modules:
    sys.modules[COMPILER] = LazyCompiler()
    sys.meta_path.insert(0, SubmoduleFinder())
with _without_unused():
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.fabric.utilities.warnings import PossibleUserWarning
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import TQDMProgressBar
    from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger
    from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, StrategyRegistry
    from lightning.pytorch.utilities import rank_zero_only
    from lightning.pytorch.utilities.memory import garbage_collection_cuda, is_oom_error

__all__ = [
    "Callback", "DDPStrategy", "LightningModule", "Logger", "MLFlowLogger", "MisconfigurationException",
    "PossibleUserWarning", "SingleDeviceStrategy", "StrategyRegistry", "TQDMProgressBar", "Trainer", "WandbLogger",
    "garbage_collection_cuda", "is_oom_error", "rank_zero_only",
]  # fmt: skip
