"""Protects against an attention kernel where there is none."""

import dataclasses

import pytest
from small_groups import plans_for

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.training.prepare import prepare


def test_the_kernel_is_refused_where_it_cannot_be_had(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "1")
    config = dataclasses.replace(plan.config, attention="kernel")
    with pytest.raises(UserError, match="'kernel', which a CPU has not; leave it out there"):
        prepare(config, "cpu")
    encoder = plan.task.model.encoder.config
    size = encoder.hidden_size // encoder.num_heads
    assert size == 8
    with pytest.raises(UserError, match="heads are 8 wide and it takes 16, 32, 64"):
        prepare(config, "gpu")


@pytest.mark.parametrize(
    ("family", "title"),
    [("mpnet", "MPNet"), ("modernbert", "ModernBERT"), ("deberta-v2", "DeBERTa")],
)
def test_the_kernel_is_refused_for_scores_that_it_does_not_compute(family, title):
    folder = pytest.importorskip("hf").make_folder(family)
    config = SweepConfig(model=str(folder), task="miniature", attention="kernel")
    with pytest.raises(UserError, match=f"does not compute that of {title}; leave it out"):
        prepare(config, "gpu")
