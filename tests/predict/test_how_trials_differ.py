"""Distances between the states of a sweep's kept trials, and where the report shows them."""

import json
import shutil

import jax
import numpy as np
import pytest

from jaxtune.export.members import DevSet, read_sweep
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.predict.__main__ import main
from jaxtune.predict.representations import states_of_plan
from jaxtune.report.__main__ import main as report

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def out(swept, tmp_path):
    return shutil.copytree(swept, tmp_path / "out")


def test_the_states_are_what_the_head_reads(out):
    """The head makes of them the logits that the sweep recorded."""
    sweep = read_sweep(out, "final")
    dev = DevSet(sweep.members[0].trial)
    model = dev.model(sweep.params(sweep.members[0]))
    model = compact_embedding(model, dev.task.kept_words)
    states = jax.jit(states_of_plan)(model, dev.task.evaluated.as_tokens(), dev.task.eval_plan)
    logits = np.asarray(model.head(states, None))[: len(dev.task.dev)]
    recorded = np.load(out / "predictions" / "00000.npy")
    np.testing.assert_allclose(logits, recorded, rtol=0, atol=1e-5)


def test_distances_of_every_pair_and_their_means_in_the_report(out, capsys):
    assert main([str(out), "--representations"]) == 0
    assert "6 trials in 2 arms compared" in capsys.readouterr().out
    found = json.loads((out / "representations.json").read_text())
    assert [arm["trials"] for arm in found.values()] == [[0, 2, 4], [1, 3, 5]]
    for arm in found.values():
        for name in ("cka", "procrustes"):
            table = np.array(arm[name])
            assert table.shape == (3, 3)
            assert np.all(table == table.T)
            # Heads and orders differ, and five steps have moved the encoders apart.
            assert np.all(table[np.triu_indices(3, 1)] > 0)
    assert report([str(out)]) == 0
    said = (out / "report.md").read_text().split("Agreement of the representations")[1]
    first = found["bias_correction=false"]
    mean = np.mean([np.array(first["cka"])[i, j] for i, j in ((0, 1), (0, 2), (1, 2))])
    assert f"{mean:.3f}" in said


def test_without_kept_parameters_it_says_how_to_keep_them(out, capsys):
    shutil.rmtree(out / "params")
    assert main([str(out), "--representations"]) == 1
    assert "run the sweep with --save_params final" in capsys.readouterr().err
    assert not (out / "representations.json").exists()


def test_one_thing_at_a_time(out, capsys):
    assert main([str(out), "--representations", "--file", "x.csv"]) == 1
    assert "One of --file, --glue and --representations is wanted" in capsys.readouterr().err


def test_a_damaged_file_costs_the_table_alone(out):
    (out / "representations.json").write_text('{"a": 3}')
    assert report([str(out)]) == 0
    assert "Agreement of the representations" not in (out / "report.md").read_text()
