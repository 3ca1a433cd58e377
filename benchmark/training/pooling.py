"""The pooling selected by the flags of a training run; importing this module is fast."""

from core.errors import BadValueError
from core.flags.model import ModelFlags


def pooling(flags: ModelFlags) -> str:
    """Return the name of the pooling, including ``--lse_gamma``. Raises ``BadValueError`` if both flags set options."""
    name, _, options = flags.global_pool.partition(":")
    if flags.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
        return flags.global_pool
    if options:
        both = f"--lse_gamma {flags.lse_gamma} and --global_pool {flags.global_pool}"
        raise BadValueError(f"{both} cannot be combined: leave --lse_gamma out")
    return f"{name}:gamma={flags.lse_gamma}"
