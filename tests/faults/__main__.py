"""Cause all faults several times and write docs/reliability.md: ``python -m tests.faults``."""

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter

from tests.faults.faults import FAULTS, require_order, require_recovery
from tests.faults.page import note, page
from tests.faults.signals import killed_anywhen
from tests.faults.trial import Refused, Survived, Trial
from tests.warm import ROOT


def tried(fault, whole, seed):
    """Cause a fault; return its outcome, and True if the next run gave equal records."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(folder, whole)
        try:
            seen = fault(trial, random.Random(seed))
            require_order(trial)
            require_recovery(trial)
        except (Survived, Refused) as none:
            return type(none).__doc__, None
        except AssertionError:
            traceback.print_exc()
            return "FAILED", False
        return seen, True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="number of random moments for SIGKILL")
    parser.add_argument("--seeds", type=int, default=2, help="number of repetitions of the other faults")
    parser.add_argument("--only", nargs="*", help="names of faults; the outcomes of the others are kept")
    flags = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        whole = Trial(folder)
        whole.run()  # loads the libraries
        whole.clear()
        assert whole.run().returncode == 0
        for fault in [fault for fault in FAULTS if not flags.only or fault.__name__ in flags.only]:
            outcomes = Counter()
            for seed in range(flags.kills if fault is killed_anywhen else flags.seeds):
                outcomes[tried(fault, whole, seed)] += 1
                note(fault, outcomes)
            sys.stderr.write(f"{fault.__name__}: {dict(outcomes)}\n")
            good &= all(equal is not False for _, equal in outcomes)
    (ROOT / "docs/reliability.md").write_text(page(), encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
