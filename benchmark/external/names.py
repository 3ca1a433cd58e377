"""Match names of images and findings with those of a data set."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import DataError, UnknownNameError, examples
from core.names import find_finding


class Names:
    """The images and findings of a data set's split.

    >>> names = Names(["00000001_000.png"], ["Mass", "Pleural_Thickening"])
    >>> names.image("maps/00000001_000.npy"), names.finding("pleural thickening", "a.csv")
    ('00000001_000.png', 'Pleural_Thickening')
    """

    def __init__(self, images: Iterable[str], findings: Sequence[str]) -> None:
        """Index ``images`` by their names with and without suffix."""
        self.images = {name: image for image in images for name in (Path(image).stem, image)}
        self.findings = tuple(findings)

    def finding(self, word: str, where: str) -> str:
        """Return the finding with this name or alias. Raises ``DataError`` that names ``where`` for another word."""
        if (finding := find_finding(word, self.findings)) is None:
            raise DataError(f"{where}: {UnknownNameError('finding', word, self.findings)}")
        return finding

    def resolve_images(self, names: Sequence[str], what: str) -> list[str]:
        """Return the image of each name. Raises ``DataError`` with the number of ``what`` that match no image."""
        images = [self.image(name) for name in names]
        refuse_unknown([name for name, image in zip(names, images, strict=True) if image is None], len(names), what)
        return [str(image) for image in images]

    def image(self, name: str) -> str | None:
        """Return the image of ``name``, with or without folder and suffix; None if it is not in the split."""
        bare = Path(name).name
        return self.images.get(bare, self.images.get(Path(bare).stem))

    def split(self, stem: str) -> tuple[str, str] | None:
        """Split ``<image>_<finding>`` at the longest matching image; None if no image matches.

        >>> Names(["a_1.png"], ["Mass"]).split("a_1_Mass")
        ('a_1.png', 'Mass')
        """
        parts = stem.split("_")
        for n in range(len(parts) - 1, 0, -1):
            image = self.image("_".join(parts[:n]))
            if image is not None:
                return image, "_".join(parts[n:])
        return None


def refuse_unknown(unknown: Sequence[str], total: int, what: str) -> None:
    """Raise ``DataError`` if some names match no image of the split."""
    if unknown:
        raise DataError(
            f"{len(unknown)} of {total} {what} match no image of the test split: {examples(unknown)}; "
            "check --dataset and --partition"
        )
