"""Scores that are drawn do not depend on the tests before."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _drawn_anew(monkeypatch):
    monkeypatch.setattr("made_up.RNG", np.random.default_rng(0))
