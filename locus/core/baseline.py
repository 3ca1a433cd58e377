"""Base classes of baselines: rows of the tables that are no methods and have no rank.

``Baseline``     what a row knows and needs, declared as class attributes
``MapBaseline``  a baseline of maps that need no network
``BoxBaseline``  a baseline of boxes

Each baseline is a file in ``locus/benchmark/baselines``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from locus.core.frames import Grid
from locus.core.types import FloatArray, Sample

FloatMap = NDArray[np.float32]
Kind = Literal["baseline", "upper bound", "fine-tuned", "people", "training part"]
LAST = 1000
"""Position of a baseline that does not set ``order``."""


class Baseline:
    """A row of the tables that is no method and has no rank."""

    name: ClassVar[str]
    """Name of the row in tables, in records and on the command line."""
    why_unranked: ClassVar[str]
    """Description in tables, such as ``baseline: knows other patients' boxes``."""
    kind: ClassVar[Kind] = "baseline"
    """``upper bound``: it sees the truth of the image. ``fine-tuned``: the network after training on boxes of other
    patients. ``people``: boxes drawn by people. ``training part``: for protocols of masks and data sets that have a
    published training part."""
    order: ClassVar[int] = LAST
    """Position in tables, from the smallest number to the largest."""
    in_every_suite: ClassVar[bool] = False
    """Whether each suite and ``locus.evaluate`` score it without being asked."""
    is_blind: ClassVar[bool] = False
    """Whether it knows the boxes of other patients but sees no image: a method must be above all of these."""
    needs_network: ClassVar[bool] = False
    """Whether it depends on a network or its recipe."""
    needs_suite: ClassVar[bool] = False
    """Whether only a suite can score it."""
    has_stored_map: ClassVar[bool] = True
    """Whether its maps of a network are stored, as those of methods."""
    gives_boxes: ClassVar[bool] = False
    """Whether it has boxes instead of maps, so that only protocols that take boxes score it."""
    joins_prior: ClassVar[bool] = False
    """Whether the protocol ``added`` joins it to ``prior``."""
    method: ClassVar[str] = ""
    """Method whose code makes its maps of a network; empty: none."""
    file: ClassVar[str] = ""
    """File in ``locus/benchmark`` whose code computes it; empty: the file of the class, or that of ``method``."""


class MapBaseline(Baseline, ABC):
    """A baseline of maps that need no network."""

    shares_maps: ClassVar[bool] = False
    """Whether several cases have the same map, so that ``map_functions`` is used also for small maps."""
    packs_large_maps: ClassVar[bool] = False
    """Whether maps that do not fit in memory are packed into bytes; other maps are computed again on each access."""

    def geometry(self, grid: Grid, shape: tuple[int, int]) -> tuple[Grid, tuple[int, int]]:
        """Return the grid and the shape of its maps, by default those of the network.

        Args:
            grid: positions of the network's maps in its input.
            shape: (h, w) of the network's maps.

        Returns:
            The grid and the shape (h, w) of the maps of the baseline.
        """
        return grid, shape

    @abstractmethod
    def maps(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> FloatMap:
        """Return a map for each image and finding.

        Args:
            samples: N images with truth boxes.
            findings: K findings.
            grid: positions of the maps in the network's input, as ``geometry`` returns it.
            shape: (h, w) of the maps, as ``geometry`` returns it.

        Returns:
            Maps (N,K,h,w). Only the order of the values in a map counts, so that they need no scale.

        Example::

            class Diagonal(MapBaseline):
                name = "diagonal"
                why_unranked = "baseline"

                def maps(self, samples, findings, grid, shape):
                    return np.tile(np.eye(*shape, dtype=np.float32), (len(samples), len(findings), 1, 1))
        """

    def map_functions(
        self, samples: Sequence[Sample], findings: Sequence[str], grid: Grid, shape: tuple[int, int]
    ) -> list[Callable[[], FloatMap]]:
        """Return a function for each image and finding that returns its map, image by image.

        It is used for maps that do not fit in memory. By default, all maps are computed at once.

        Args:
            samples: N images with truth boxes.
            findings: K findings.
            grid: positions of the maps in the network's input.
            shape: (h, w) of the maps.

        Returns:
            N * K functions. Cases with the same function share one map.
        """
        functions: list[Callable[[], FloatMap]] = []
        for image_maps in self.maps(samples, findings, grid, shape):
            functions += [partial(np.asarray, values) for values in image_maps]
        return functions


class BoxBaseline(Baseline, ABC):
    """A baseline of one box per image and finding. The box has the confidence 1."""

    has_stored_map = False
    gives_boxes = True
    needs_patients: ClassVar[bool] = False
    """Whether it uses boxes of other patients, so that the patients of the images must be known."""

    @abstractmethod
    def boxes(
        self, samples: Sequence[Sample], findings: Sequence[str]
    ) -> Sequence[Mapping[str, FloatArray]]:
        """Return the boxes of each image.

        Args:
            samples: N images with truth boxes.
            findings: K findings.

        Returns:
            For each image: finding -> its box (4,) xyxy in the frame of the image. A finding without a box is a miss.

        Raises:
            NotAvailableError: the boxes cannot be chosen, for example on too few patients.

        Example::

            class WholeImage(BoxBaseline):
                name = "whole_image"
                why_unranked = "baseline"

                def boxes(self, samples, findings):
                    boxes = []
                    for sample in samples:
                        height, width = sample.frame
                        boxes.append(dict.fromkeys(findings, np.array([0, 0, width, height])))
                    return boxes
        """
