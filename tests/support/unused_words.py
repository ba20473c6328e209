"""Words that no text of a task has: a compact vocabulary must end with what the whole one does."""

import numpy as np
from small_groups import custom_files, plan_for, run

WORD = "encoder/word/embedding"


def assert_given_back_as_trained(model, folder, *flags):
    """Trains one trial with a compact vocabulary and with the whole one, and compares the words."""
    few = ["--task", "custom", *custom_files(folder), "--num_seeds", "1", "--save_params", "final"]
    words = {}
    for compacted in ("true", "false"):
        plan = plan_for(model, *few, *flags, "--compact_vocabulary", compacted)
        result = run(plan, 1, 1)[0][0, "all"]
        words[compacted] = plan.full_params(result, "final", result.params["final"])[WORD]
    assert not np.allclose(words["false"], plan.task.full_embedding, rtol=1e-2)
    np.testing.assert_allclose(words["true"], words["false"], rtol=1e-5, atol=1e-6)
