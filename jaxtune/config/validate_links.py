"""The links of Adam: which of their settings are out of range or contradict each other."""

from jaxtune.config.field_groups import freezes
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError


def check_links(config: SweepConfig) -> None:
    """Raises UserError for links that would do nothing, or something that has no formula."""
    if not 0.0 <= config.second_moment_init < 1e30:  # finite as float32, too
        raise UserError(
            f"second_moment_init is {config.second_moment_init}; give a finite number of at least"
            " 0, which is Adam."
        )
    one = config.correct_moments
    if one != "both" and not config.bias_correction:
        raise UserError(
            f"correct_moments is {one!r}, but bias_correction false corrects none; leave one of"
            " them out."
        )
    if config.rectify and (one != "both" or not config.bias_correction):
        given = f"correct_moments is {one!r}" if one != "both" else "bias_correction is false"
        # Its r_t is the variance of 1 / sqrt(v / (1-b2^t)), and its first steps are m / (1-b1^t).
        raise UserError(
            f"rectify is given and {given}, but RAdam's formula is of both moments corrected; leave"
            " one of them out."
        )
    if config.update_clipping and config.compact_vocabulary and not freezes(config):
        # The mean is over every word's row, and words that are not there decay with the others.
        raise UserError(
            "update_clipping is given with compact_vocabulary, but it goes by the mean over whole"
            " tensors; give --compact_vocabulary false too."
        )
