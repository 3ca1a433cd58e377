"""The pooling that the flags of a training mean, without what training imports."""

from config import TrainConfig
from core.errors import BadValueError


def pooling(config: TrainConfig) -> str:
    """LSE's word with ``--lse_gamma`` in it, any other as it is. Raises ``BadValueError`` when the word has its own."""
    name, _, options = config.global_pool.partition(":")
    if config.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
        return config.global_pool
    if options:
        raise BadValueError(
            f"--lse_gamma {config.lse_gamma} and --global_pool "
            f"{config.global_pool} both say it: leave one of the two out"
        )
    return f"{name}:gamma={config.lse_gamma}"
