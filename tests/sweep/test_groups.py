"""Groups that run out of memory, through the command."""

import jax
import pytest
from small_sweep import command

import jaxtune
from jaxtune.sweep.__main__ import main
from jaxtune.training.group_run import GroupRun


def test_out_of_memory_halves_the_group_and_goes_on(tiny, tmp_path, monkeypatch, capsys):
    """The first group is refused memory twice; the trials end as they do in small groups from the
    start.
    """
    start, refused = GroupRun.start_state, []

    def scarce(self):
        if self.program.group_size > 4:
            refused.append(self.program.group_size)
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory (injected)")
        return start(self)

    monkeypatch.setattr(GroupRun, "start_state", scarce)
    flags = ["--num_seeds", "6", "--trials_per_device", "4"]
    assert main(command(tiny, tmp_path / "scarce", *flags)) == 0
    assert refused == [8]
    assert "groups of 4 trials" in capsys.readouterr().out
    rows = jaxtune.load_results(tmp_path / "scarce").trials
    assert len(rows) == 6
    assert set(rows.group_size) == {4}


def test_another_runtime_error_is_not_taken_for_memory(tiny, tmp_path, monkeypatch):
    def broken(self):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(GroupRun, "start_state", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        main(command(tiny, tmp_path / "out", "--num_seeds", "1"))
