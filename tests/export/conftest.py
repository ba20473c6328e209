"""What tests of exports share: a finished sweep, which they only read."""

import pytest


@pytest.fixture(scope="session")
def swept_animals(tmp_path_factory):
    """Two arms of five seeds; in one some trials learn the task, in the other none; all parameters
    kept.
    """
    from animals import sweep_animals

    return sweep_animals(tmp_path_factory.mktemp("swept"))
