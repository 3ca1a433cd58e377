"""What all parts of Locus share: types, frames and boxes, the registry, errors, seeds and files.

Importing this package prepares the process if it runs a command of Locus (see ``startup``).
"""

import gc

from locus.core import startup

if startup.is_command():
    gc.set_threshold(10_000)  # imports create many objects that stay
    startup.exit_quietly()
    startup.leave_checkout()
    startup.require_packages()
