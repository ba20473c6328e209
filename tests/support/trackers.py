"""What tests of trackers share: which of them are installed, and a trial that has run again."""

import pytest

from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows


def needs(*modules):
    """The library's extra."""
    for module in modules:
        pytest.importorskip(module)


def ran_again(out, trial):
    """The row that the sweep's command leaves of a trial whose files were damaged."""
    rows = read_rows(out)
    rows[trial] = respelled(rows[trial], {"seconds": 99.0})
    rewrite_rows(out, rows)
