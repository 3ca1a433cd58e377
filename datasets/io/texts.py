"""Compact sequence of many short strings, such as image names."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any


class Texts(Sequence[str]):
    """Sequence of strings with 4 bytes of overhead each, where a list of ``str`` needs 60.

    >>> names = Texts(["a.png", "b.png"])
    >>> names.append("c.png")
    >>> len(names), names[1], names[-1], list(names)
    (3, 'b.png', 'c.png', ['a.png', 'b.png', 'c.png'])
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._letters, self._ends = bytearray(), array("I", [0])
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add ``text`` at the end; file names in any encoding are preserved."""
        self._letters += text.encode("utf-8", "surrogateescape")
        self._ends.append(len(self._letters))

    def same(self, other: "Texts") -> bool:
        """Return whether both have the same strings."""
        return self._letters == other._letters and self._ends == other._ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        size = len(self._ends) - 1
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(size))]
        if not -size <= index < size:
            raise IndexError(index)
        index %= size
        return self._letters[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogateescape")
