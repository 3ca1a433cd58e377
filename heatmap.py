"""Explain a model's predictions with heat maps: ``python heatmap.py``. ``--help`` lists all flags."""

import sys

from locus.heatmap import main

if __name__ == "__main__":
    sys.exit(main())
