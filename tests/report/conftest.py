"""What tests of calls from Python share: settings of a small sweep, and one that is only read."""

import pytest


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Settings of a sweep of seconds: one row shape, so one small program."""
    from tiny import write_tiny_model

    tiny = write_tiny_model(tmp_path_factory.mktemp("tiny"))
    return {
        **{"model": str(tiny), "task": "miniature", "num_seeds": 1, "max_steps": 5},
        **{"train_examples": 64, "log_every": 2, "eval_every": 3, "packing": False},
    }


@pytest.fixture(scope="session")
def results(small, tmp_path_factory):
    """Two arms of eight seeds, run in the main thread."""
    import jaxtune

    out = tmp_path_factory.mktemp("swept") / "out"
    grid = {"bias_correction": [False, True]}
    return jaxtune.run_sweep(**small | {"num_seeds": 8}, grid=grid, out=out)
