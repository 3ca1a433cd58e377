"""The pooling that the flags of a training mean, without what training imports."""

from core.errors import BadValueError
from core.flags.model import ModelFlags


def pooling(flags: ModelFlags) -> str:
    """LSE's word with ``--lse_gamma`` in it, any other as it is. Raises ``BadValueError`` when the word has its own."""
    name, _, options = flags.global_pool.partition(":")
    if flags.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
        return flags.global_pool
    if options:
        both = f"--lse_gamma {flags.lse_gamma} and --global_pool {flags.global_pool}"
        raise BadValueError(f"{both} both say it: leave one of the two out")
    return f"{name}:gamma={flags.lse_gamma}"
