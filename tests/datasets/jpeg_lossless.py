"""Write lossless JPEG, the compression of SIIM's and VinDr's files, for which no suitable package exists."""

import numpy as np

CODES = [*(f"{size:04b}" for size in range(15)), "11110", "111110"]
"""Huffman codes of the numbers of bits: 15 of four bits, one of five, one of six."""
TABLE = bytes([0, 0, 0, 0, 15, 1, 1, *[0] * 10, *range(17)])


def encode(pixels: np.ndarray, bits: int = 12) -> bytes:
    """Encode pixels (H,W) by process 14, selection value 1: predicted by the left neighbour, in the first column by the upper."""
    values = pixels.astype(np.int64)
    left = np.concatenate([np.concatenate([[1 << (bits - 1)], values[:-1, 0]])[:, None], values[:, :-1]], axis=1)
    packed = "".join(_coded(int(difference)) for difference in ((values - left + 32767) % 65536 - 32767).ravel())
    packed += "1" * (-len(packed) % 8)
    coded = int(packed, 2).to_bytes(len(packed) // 8).replace(b"\xff", b"\xff\x00")
    height, width = (side.to_bytes(2) for side in pixels.shape)
    start = _segment(0xC3, bytes([bits]) + height + width + b"\x01\x01\x11\x00")
    return b"\xff\xd8" + start + _segment(0xC4, TABLE) + _segment(0xDA, b"\x01\x01\x00\x01\x00\x00") + coded + b"\xff\xd9"


def _coded(difference: int) -> str:
    """Encode a difference: the Huffman code of its number of bits, then the bits."""
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return CODES[size] + (f"{value:0{size}b}" if 0 < size < 16 else "")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content
