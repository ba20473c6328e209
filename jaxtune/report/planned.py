"""How many trials a sweep's config.yaml asks for."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from jaxtune.config.looks import looks_at
from jaxtune.config.text_values import seed_list
from jaxtune.core.errors import UserError
from jaxtune.core.words import plural


class Planned(NamedTuple):
    """What config.yaml asks for."""

    trials: tuple[int, ...]  # at each look at the verdict; of most sweeps there is one
    arms: int

    def until_look(self, trials: int) -> str:
        """What to bear in mind before the look with so many trials; empty where it is the only one.

        Every p counts for its look, which reckons with the looks that were planned alone: one after
        every 4 seeds of an arm would find a difference between equal recipes more than twice as
        often.
        """
        if len(self.trials) == 1:
            return ""
        seeds = plural(trials // self.arms, "seed")
        return (
            " These trials are at no planned look at the verdict, which is therefore less sure than"
            f" its p say; the next look is with {seeds} per arm."
        )


def planned(config: str) -> Planned | None:
    """How many trials and arms the text of a config.yaml asks for; None where it does not tell."""
    try:
        values = yaml.safe_load(config)
        grid = [len(dict.fromkeys(map(str, swept))) for swept in values.get("grid", {}).values()]
        arms = math.prod(grid)
        return Planned(tuple(arms * n for n in _num_seeds(values)), arms)
    except (yaml.YAMLError, UserError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _num_seeds(values: Mapping[str, Any]) -> tuple[int, ...]:
    """Per arm, at each look."""

    def count(name: str) -> int:
        return len(seed_list(str(values[name])))

    if values.get("init_seeds") is not None:
        dropout = count("dropout_seeds") if values.get("dropout_seeds") is not None else 1
        return (count("init_seeds") * count("order_seeds") * dropout,)
    if values.get("seeds") is not None:
        return (count("seeds"),)
    most = int(values["max_seeds"]) if values.get("until_decided") else None
    return looks_at(int(values["num_seeds"]), most)
