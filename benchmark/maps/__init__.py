"""Raw maps on disk: two files per (model, method), from which everything is scored and drawn without the model.

``<word>.npy`` is (cases, h, w) float16 of map / max|map|, cases = images x findings in that order; it is written batch
by batch, its last bytes are its key, and it is read memory-mapped. ``<word>.json`` beside it is its index, written
after it. The pair counts only when both are of the key that is asked for and the array is as long as stated: whatever a
run that was killed, or two at once, left there. A method that has no answer leaves an index alone. ``<word>.shards``
holds parts of an array until they are joined.
"""

from benchmark.maps.code import code_digest
from benchmark.maps.reader import StoredMaps, read
from benchmark.maps.writer import Index, Writer, compress, file_name, open_writer, write_no_maps

__all__ = [
    "Index",
    "StoredMaps",
    "Writer",
    "code_digest",
    "compress",
    "file_name",
    "open_writer",
    "read",
    "write_no_maps",
]
