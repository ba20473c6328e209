"""Names of transformers are answered with ours, each of which there is."""

import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.core.fields import hints_of, nearest
from jaxtune.core.other_names import OTHER_NAMES

OURS = hints_of(SweepConfig)


@pytest.mark.parametrize(("theirs", "ours"), OTHER_NAMES.items())
def test_their_names_mean_ours(theirs, ours):
    assert theirs not in OURS
    assert nearest(theirs, OURS) == nearest(theirs.upper(), OURS) == [ours]


def test_where_a_command_lacks_ours_the_nearest_is_said():
    assert nearest("eval_steps", ["max_steps"]) == ["max_steps"]
    assert nearest("lr", ["max_steps"]) == []
