"""Averages of the weights: what of their settings contradicts itself or others."""

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError


def check_averages(config: SweepConfig) -> None:
    """Raises UserError for two averages at once, or one that a trial may end before."""
    last = config.average_last
    if last < 0:
        raise UserError(f"average_last is {last}; give a number of steps, or 0 for none.")
    if last and config.ema_decay:
        raise UserError(
            f"ema_decay is {config.ema_decay} and average_last is {last}, but a trial is evaluated"
            " by one average; leave the other out."
        )
    if last and config.patience is not None:
        raise UserError(
            f"average_last is {last} and patience is {config.patience}, which may end a trial"
            " before its last steps; give ema_decay instead, or leave patience out."
        )
