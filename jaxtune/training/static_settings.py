"""What a group's program is compiled for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class StaticSettings:
    """All of it beside the shapes of the arguments: none of this is traced."""

    num_steps: int
    schedule: str
    clip_per_tensor: bool
    log_every: int
    ladder: tuple[int, ...]  # row counts of the packed batches
    steps_per_dispatch: int
    fresh: tuple[str, ...]  # modules of the head that each trial draws anew
    mitigations: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.MITIGATIONS`, those in use
    loss: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.LOSS_FIELDS`, those in use
    links: tuple[str, ...] = ()  # of `jaxtune.config.field_groups.LINKS`, those in use
    averages: bool = False  # whether trials are evaluated by an average of their weights
    head_first: bool = False  # whether trials may train the head alone first
