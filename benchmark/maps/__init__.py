"""Raw maps on disk: two files per (model, method), from which everything is scored and drawn without the model.

``<word>.npy`` is (cases, h, w) float16 of map / max|map|, cases = images x findings in that order; it is written batch by
batch and read memory-mapped. ``<word>.json`` beside it is its index, written last and removed first: the pair counts only
when it is whole, of the key that is asked for and as long as stated. A method that has no answer leaves an index alone.
"""

from benchmark.maps.code import code
from benchmark.maps.index import Index, file_name
from benchmark.maps.reader import StoredMaps, read
from benchmark.maps.writer import Writer, compress, refuse, writing

__all__ = ["Index", "StoredMaps", "Writer", "code", "compress", "file_name", "read", "refuse", "writing"]
