"""The pooling that the flags of a training run select; importing this module is fast."""

from core.errors import BadValueError
from core.flags.model import ModelFlags


def pooling(flags: ModelFlags) -> str:
    """The word of the pooling, with ``--lse_gamma`` in LSE's. Raises ``BadValueError`` if both set a gamma."""
    name, _, options = flags.global_pool.partition(":")
    if flags.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
        return flags.global_pool
    if options:
        both = f"--lse_gamma {flags.lse_gamma} and --global_pool {flags.global_pool}"
        raise BadValueError(f"{both} both say it: leave one of the two out")
    return f"{name}:gamma={flags.lse_gamma}"
