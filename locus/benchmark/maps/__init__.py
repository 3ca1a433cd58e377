"""Held-out images of a model's training runs, and the raw maps of its methods on disk.

Maps are scored and drawn from two files per model and method, without the model.

``<word>.npy`` has map / max|map| as (cases, h, w) float16; cases are images × findings, in that order. It is written
batch by batch, ends with its key and is read memory-mapped. ``<word>.json`` is its index, written afterwards. The pair
is valid only if both have the requested key and the array has the length in the index, which protects against killed
and concurrent runs. A method without maps for a model has only an index.
"""
