"""Held-out images of a model's training runs, and the raw maps of its methods on disk.

Maps are scored and drawn from one safetensors file per model and method, without the model.

``<word>.safetensors`` has the tensors ``maps``, (map - offset) / peak as (cases, h, w) float16, and ``peaks`` and
``offsets`` of each case (``store.compress``). Cases are images × findings, in that order. Its metadata has the key, the
images, the findings and the grid.
The file is written batch by batch under a temporary name, ends with the hash of its content (``sha256``) and is read
memory-mapped. It is valid only with the requested key and the right hash, which protects against killed and concurrent
runs. A method without maps for a model has a file with the reason.
"""
