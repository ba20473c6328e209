"""Finished sweeps that several files compare theirs with, or copy. No test changes one: a command
that is run in it is refused.
"""

import checkpointed_sweep
import numpy as np
import pytest
import resumed_sweep
import stopped_sweep


@pytest.fixture(scope="session")
def unstopped(tiny, tmp_path_factory):
    """What early stopping stops nothing of, as results."""
    import jaxtune
    from jaxtune.sweep.__main__ import main

    out = tmp_path_factory.mktemp("unstopped") / "out"
    assert main(stopped_sweep.command(tiny, out)) == 0
    return jaxtune.load_results(out)


@pytest.fixture(scope="session")
def kept(tiny, tmp_path_factory):
    """The same, of which the two best trials of each arm go on after the stop."""
    from jaxtune.sweep.__main__ import main

    out = tmp_path_factory.mktemp("kept") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", stopped_sweep.nobody)
        assert main(stopped_sweep.command(tiny, out, *stopped_sweep.KEEP)) == 0
    return out


@pytest.fixture(scope="session")
def early(tiny, tmp_path_factory):
    """The same, whose rule stops trials 0 to 3, which are a group, and every third other."""
    from jaxtune.sweep.__main__ import main

    asked = []

    def some(losses, norms, constant):
        assert len(losses) == stopped_sweep.STOP
        assert len(norms) == stopped_sweep.STOP // 2
        assert 0.6 < constant < np.log(2)
        asked.append(losses)
        return len(asked) <= 4 or len(asked) % 3 == 0

    out = tmp_path_factory.mktemp("early") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtune.sweep.early_stop.has_learnt_nothing", some)
        assert main(stopped_sweep.command(tiny, out, "--early_stop", "0.5")) == 0
    return out


@pytest.fixture(scope="session")
def undisturbed(tiny, tmp_path_factory):
    """What a sweep that is ended on the way must come to."""
    from jaxtune.sweep.__main__ import main

    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert main(resumed_sweep.command(tiny, out)) == 0
    return out


@pytest.fixture(scope="session")
def finished(tiny, tmp_path_factory):
    """Seeds 10 and 11, undisturbed."""
    from jaxtune.sweep.__main__ import main

    out = tmp_path_factory.mktemp("finished") / "out"
    assert main(checkpointed_sweep.command(tiny, out, "--seeds", "10,11")) == 0
    return out
