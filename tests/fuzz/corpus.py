"""Hard cases for ``READERS``: files that once caused a traceback, or that would take hours or gigabytes."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pyarrow
import torch
from pyarrow import parquet

from tests.fuzz.readers import BOX, CHECKPOINT, COCO, SUITE, VOC, npy

DEEP = "[" * 100_000
HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"
BOXES = "image,finding,x0,y0,x1,y1,score\n"
MARK = COCO["annotations"][0]
TABLE = "boxes.csv", "predictions.csv"
JSON = "boxes.json", "coco.json", "masks.json", "grid.json", "record.json"


class Runs:
    """Class whose unpickling runs code."""

    def __reduce__(self):
        return (exit, (3,))


def cases() -> Iterator[tuple[str, bytes]]:
    """Name and content of a file."""
    for name in TABLE:
        yield from _files(name, b"", b"\0", b"\xff\xfe", b",,\n1,2,3", b"a;b\n1;2\n")
        yield name, b'image,Mass,finding\n"' + b"a" * 300_000
    for row in ("a,Mass,nan,1,2,3,1", "a,Mass,1,1,9,9,1e999", f"a,Mass,{'9' * 400},1,9,9,1", "a,Mass,1,1,9,9,1\n" * 2, "a,Mass,9,9,1,1,1"):
        yield "boxes.csv", (BOXES + row).encode()
    for name in JSON:
        yield from _files(name, "", DEEP, "NaN", "5", "[1]", '"x"', '{"a":' * 9999, '[{"a": {}}]', "{}")
        yield name, b"[" + b"9" * 5000 + b"]"
    boxes = [BOX | {"bbox": corners} for corners in ([1, 2, 10**400, 4], "abcd", [1])]
    for box in (*boxes, BOX | {"image_id": []}, BOX | {"score": None}, BOX | {"category_id": "\ud800"}):
        yield "boxes.json", json.dumps([box]).encode()
    sizes = ([10**9, 10**9], [1]), ([2, 2], [-1, 5]), ([1, 16_000], [0, 16_000]), ([2, 2], "~~~"), (5, 5)
    for size, counts in sizes:
        yield "masks.json", json.dumps({"a.png": {"Mass": {"size": size, "counts": counts}}}).encode()
    for number in ("NaN", "1e999", "-1", '"x"', "null"):
        yield "grid.json", f'{{"size": [{number}, 1], "stride": [1, 1], "offset": [0, 0]}}'.encode()
    for more in (
        {"images": 5},
        {"annotations": [{}]},
        {"categories": [{"id": [], "name": 3}]},
        {"annotations": [{**MARK, "bbox": [1, 2]}]},
    ):
        yield "coco.json", json.dumps(COCO | more).encode()
    entity = "".join(f'<!ENTITY {b} "{f"&{a};" * 9}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    bomb = f'<!DOCTYPE x [<!ENTITY a "{"x" * 99}">{entity}]><annotation>&i;</annotation>'
    yield from _files("voc.xml", "", "<a>", bomb, VOC.replace("10", "x"), VOC.replace("60", "1e999"), VOC.replace("<name>Mass</name>", ""))
    yield from _files("yolo.txt", "x", "7 .5 .5 .2 .4", "0 .5 .5 .2", "0 nan .5 .2 .4", "0 5 5 2 4")
    yield from _yaml()
    yield from _parquet()
    yield from _pictures()
    yield from _arrays()
    yield from _weights()


def _files(name: str, *contents: bytes | str) -> list[tuple[str, bytes]]:
    return [(name, content.encode() if isinstance(content, str) else content) for content in contents]


def _yaml() -> Iterator[tuple[str, bytes]]:
    lines = [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    bomb = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *lines])
    texts = "[" * 2000, bomb, "a: &a [*a]", "a: !!python/object/apply:os.system [exit]", "a: 2020-13-45"
    texts += "9" * 5000, "\0", "? {a: b}\n: c", "*x", "<<: 5"
    yield from _files("flags.yaml", *texts)
    texts += "models: 5", "models: [5]", "seeds: [-1]", "folds: x", "train: {dataset: [1]}", "methods: [[1]]", "name: 5"
    yield from _files("suite.yaml", *(SUITE + text for text in texts))


def _parquet() -> Iterator[tuple[str, bytes]]:
    for name in ("records.parquet", "cells.parquet"):
        yield from _files(name, b"", b"PAR1" * 2, b"PAR1" + struct.pack("<I", 2**31 - 1) + b"PAR1", _table({"a": [1]}))
    for record in (None, "{", DEEP, "[]", "{}", '{"subgroups": [5]}'):
        yield "cells.parquet", _table({"key": ["k"], "name": ["n"], "record": [record]})
    yield "records.parquet", _table({f"c{n}": pyarrow.nulls(4_000_000) for n in range(60)})


def _table(columns: dict) -> bytes:
    parquet.write_table(pyarrow.table(columns), stream := io.BytesIO())
    return stream.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *more: bytes, bits: int = 8) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + _chunk(b"IDAT", zlib.compress(bytes(2**20))) + _chunk(b"IEND", b"")


def _pictures() -> Iterator[tuple[str, bytes]]:
    text = b"a\0\0" + zlib.compress(bytes(2**24))
    for name in ("image.png", "map.png"):
        yield from _files(name, _png(30_000, 30_000), _png(12_000, 12_000, bits=16), _png(2**31 - 1, 1))
        yield name, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
        yield name, _png(5, 5, _chunk(b"zTXt", text), _chunk(b"iCCP", text))
        yield from _files(name, b"", _png(0, 0), _png(20_000, 1), _png(50, 50)[:50], b"GIF89a", b"\xff\xd8\xff\xe0")
    whole = b"\2\0\x10\0UI\x17\0" + b"1.2.840.10008.1.2.1.99\0"  # a file that is compressed as a whole
    body = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = body.compress(bytes(2**28)) + body.flush()
    meta = bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0" + struct.pack("<I", len(whole)) + whole
    private = b"\2\0\2\1OB\0\0" + struct.pack("<I", 2000) + bytes(2000)  # in front of the syntax, which then is far from the start
    late = bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0" + struct.pack("<I", 9999) + private + whole
    yield from _files("image.dcm", meta + bomb, meta + b"garbage", late + bomb, meta)
    yield from _files("image.dcm", b"", b"DICM", bytes(128) + b"DICM" + bytes(100))


def _arrays() -> Iterator[tuple[str, bytes]]:
    shapes = ("(-1, 3)", "(True, 3)", "(10**9, 10**9)", "(1000000000, 1000000000)", "(0, 99999999999999999999)", "(" * 3000, "(3,)", "None")
    headers = [HEADER.format("<f4", shape) for shape in shapes]
    headers += [HEADER.format(kind, "(1,)") for kind in ("|O", "<U99999999999", "|V0", "\0", "M8")]
    contents = [b"", b"\x93NUMPY\x03\x00", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31), pickle.dumps(Runs())]
    contents += map(npy, [*headers, "None", "[" * 99])
    sizes = (1, 20_000), (1, 10_000_000), (5000, 1)
    contents += [npy(HEADER.format("|u1", f"({h}, {w})"), bytes(h * w)) for h, w in sizes]
    for content in contents:
        yield "map.npy", content
        yield "map.npz", _zip({"a.npy": content})
    large = npy(HEADER.format("<f4", "(20000, 20000)"))
    yield "map.npz", _zip({"a.npy": large + bytes(2**20)}, {"a.npy": len(large) + 4 * 20_000**2})
    small = {"a.npy": npy(HEADER.format("<f4", "(2, 2)"), bytes(16))}
    yield from _files("map.npz", _zip(small, flags=1), _zip(small, method=99))


def _zip(members: dict[str, bytes], lies: dict[str, int] | None = None, flags: int = 0, method: int = 0) -> bytes:
    """Return a zip archive; ``lies``: wrong lengths of its members."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for info in archive.infolist():
            info.file_size = (lies or {}).get(info.filename, info.file_size)
            info.flag_bits |= flags
            info.compress_type = method or info.compress_type
    return stream.getvalue()


def _weights() -> Iterator[tuple[str, bytes]]:
    for content in (b"", b"abc", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 5) + b"[1,2]", struct.pack("<Q", 9999) + b"[" * 9999):
        yield "w.safetensors", content
        yield "best.ckpt", content
    yield "best.ckpt", pickle.dumps(Runs())
    stated = CHECKPOINT["locus"]
    models = {**stated["model"], "num_classes": 10**12}, {"network": 5}, {"network": "timm:resnet18"}
    odd = [{"model": value} for value in ("x", None, {"a": 1}, *models)]
    odd += [{"findings": value} for value in (5, [[1]], [])] + [{"config": value} for value in ([], {"img_size": "x"}, {3: 4})]
    contents = [Runs(), {}, [1], {**CHECKPOINT, "state_dict": {"a": torch.zeros(1).expand(10**12)}}, {**CHECKPOINT, "state_dict": {3: 4}}]
    for content in (*contents, *({**CHECKPOINT, "locus": {**stated, **more}} for more in odd)):
        torch.save(content, stream := io.BytesIO())
        yield "best.ckpt", stream.getvalue()
