"""Held-out images of a model's training runs, and the raw maps of its methods on disk.

Maps are scored and drawn from one safetensors file per model and method, without the model.

``<method>.safetensors`` has the tensors ``maps``, (map - offset) / peak as (cases, h, w) float16, and ``peaks`` and
``offsets`` of each case (``store.compress``). Cases are images × findings, in that order. Its metadata has the key, the
images, the findings and the grid.
The file is written batch by batch under a temporary name, ends with the hash of its content (``sha256``) and is read
memory-mapped. It is valid only with the requested key and the right hash, which protects against killed and concurrent
runs. A method without maps for a model has a file with the reason.

Records and stored maps contain the hash of the code of their method (``method_code``) and of their network, so that
those of changed code are not reused. The code that runs methods, networks and layers is not included: it has a version
number, ``locus.explaining.VERSION``.
"""

from locus import backbones, methods
from locus.benchmark import baselines
from locus.config import TrainConfig
from locus.core import names
from locus.core.user_code import code_hash, file_of, local_files


def code_of(network: str, method: str) -> dict[str, str]:
    """Return the hashes of a ``network`` and a ``method`` as in a record: without empty ones."""
    return {name: value for name, value in {"network": network, "method": method}.items() if value}


def method_code(method_name: str) -> str:
    """Return the hash of a method or baseline and the local modules that it imports; empty for the classifier.

    It is also empty for a class that was given in Python, for example in a notebook.

    >>> method_code("cam") == method_code("cam:smooth=aug"), method_code("cam") == method_code("gradcam")
    (False, False)
    """
    if method_name == names.CLASSIFIER:
        return ""
    user_file = file_of(method_name)
    if user_file is not None:
        return code_hash(local_files(user_file))
    baseline = baselines.find(method_name)
    if baseline is None:
        return _code_of_method(method_name)
    if baseline.method:
        return _code_of_method(baseline.method)
    baseline_file = baselines.file_of(method_name)
    return "" if baseline_file is None else code_hash(local_files(baseline_file))


def _code_of_method(method_name: str) -> str:
    plain_name, smooth = methods.split_smooth(method_name)
    file = methods.registry.file_of(methods.normalize_name(plain_name).split(":")[0])
    if file is None:
        return ""
    smoothing = local_files(methods.registry.home / "smoothing.py") if smooth else set()
    return code_hash(local_files(file) | smoothing)


def code_of_config(config: TrainConfig) -> str:
    """Return the hash of the network that a training run builds."""
    return backbones.network_code({"name": config.backbone})
