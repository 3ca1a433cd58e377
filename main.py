"""Train and evaluate one classifier: ``python main.py``. ``python main.py --help`` lists all flags."""

import sys

from locus.train import main

if __name__ == "__main__":
    sys.exit(main())
