"""A sweep on a Ray cluster gives the trials of one machine, and says what it cannot do."""

import functools
import socket
import time

import numpy as np
import pytest
from ray_nodes import finished, nodes, said, start, who_ran
from same_results import assert_same_trials
from small_sweep import command

from jaxtune.sweep.__main__ import main
from jaxtune.sweep.cluster import connection
from jaxtune.sweep.cluster.hand_out import HandOut

pytest.importorskip("ray")


@pytest.mark.slow
def test_two_nodes_give_the_trials_of_one_machine_to_the_bit(tiny, tmp_path):
    """Parameters, further sets and stopped trials among them; the driver alone writes. Rows are not
    packed, so that all compile one row count, as this process does; storms pack them.
    """
    flags = ["--num_seeds", "2", "--grid.bias_correction", "false", "true"]
    flags += ["--save_params", "best", "--patience", "1", "--packing", "false"]
    plain, away = tmp_path / "plain", tmp_path / "away"
    assert main(command(tiny, plain, *flags)) == 0
    with nodes(2) as cluster:
        second = start(tiny, away, *flags, *cluster.flags())
        said(second)
        workers = {node.node_id for node in cluster.nodes}
    assert_same_trials(plain, away)
    ran = who_ran(away)
    # One of them may have run all before the other has begun.
    assert set(ran) <= workers
    assert sorted(trial for own in ran.values() for trial in own) == [0, 1, 2, 3]
    assert sorted(finished(away)) == [0, 1, 2, 3]


@pytest.mark.parametrize("address", [None, "auto", "127.0.0.1:1", "closed"])
def test_nobody_at_the_address_is_one_sentence_within_seconds(
    tiny, tmp_path, capsys, monkeypatch, address
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # no trace of a cluster there
    # Nor, by "auto", any cluster of another test.
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", functools.cache(set))
    with socket.socket() as deaf:  # it takes connections and says nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        given = f"127.0.0.1:{deaf.getsockname()[1]}" if address == "closed" else address
        flags = ["--cluster", "ray", *([] if given is None else ["--ray_address", given])]
        began = time.monotonic()
        assert main(command(tiny, tmp_path / "out", *flags)) == 1
        assert time.monotonic() - began < 10
    error = capsys.readouterr().err
    assert error.startswith("error: No Ray cluster")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["nowhere", "a:b", "ray://here:10001", ":6379", "h:99999"])
def test_what_is_no_address_is_refused(tiny, tmp_path, capsys, address):
    assert main(command(tiny, tmp_path / "out", "--cluster", "ray", "--ray_address", address)) == 1
    assert "give HOST:PORT of the cluster's head" in capsys.readouterr().err


def test_a_stale_trace_of_a_cluster_is_no_cluster(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    assert main(command(tiny, tmp_path / "out", "--cluster", "ray")) == 1
    assert "No Ray cluster answers at 127.0.0.1:1;" in capsys.readouterr().err


def test_without_ray_what_to_install_is_said(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("jaxtune.config.validate_places.importlib.util.find_spec", lambda _: None)
    assert main(command(tiny, tmp_path / "out", "--cluster", "ray")) == 1
    assert "pip install 'jaxtune[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--cluster", "ray", "--dry_run"], "a dry run tries steps on this machine"),
        (["--cluster", "ray", "--checkpoint_every", "3"], "workers keep no checkpoints"),
        (["--ray_address", "auto"], "give --cluster ray too"),
        (["--runtime_env", "true"], "give --cluster ray too"),
    ],
)
def test_what_does_not_go_together_is_refused(tiny, tmp_path, capsys, flags, sentence):
    assert main(command(tiny, tmp_path / "out", *flags)) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_explicit_address_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "1.2.3.4:5")
    assert connection._place("6.7.8.9:10") == "6.7.8.9:10"
    assert connection._place("auto") == "1.2.3.4:5"


class TestHandOut:
    """Pure: who gets which trials."""

    def test_no_trial_is_had_by_two_and_all_are_had(self):
        drawn = np.random.default_rng(0)
        hand_out, had, held = HandOut([list(range(37)), list(range(37, 80))]), [], {}
        while hand_out.left() or held:
            worker = int(drawn.integers(5))
            if worker in held:
                program, numbers = held.pop(worker)
                done = int(drawn.integers(len(numbers) + 1))
                had += numbers[:done]
                hand_out.give_back(program, numbers[done:])
            elif (program := hand_out.program_for(None, {})) is not None:
                held[worker] = (program, hand_out.take(program, int(drawn.integers(1, 9))))
        assert sorted(had) == list(range(80))

    def test_a_worker_stays_with_its_program_and_others_spread(self):
        hand_out = HandOut([[0, 1], [2, 3, 4, 5]])
        assert hand_out.program_for(0, {1: 3}) == 0
        assert hand_out.program_for(None, {}) == 1
        assert hand_out.program_for(None, {1: 2}) == 0
        hand_out.take(0, 2)
        assert hand_out.program_for(0, {1: 3}) == 1
        hand_out.take(1, 4)
        assert hand_out.program_for(1, {}) is None

    def test_a_share_is_that_of_one_worker_and_at_least_a_trial(self):
        hand_out = HandOut([list(range(10))])
        assert hand_out.share(0, 4) == [0, 1, 2]
        assert hand_out.share(0, 50) == [0]

    def test_a_trial_is_given_up_when_it_has_ended_three_workers_of_living_nodes(self):
        hand_out = HandOut([[0, 1]])
        for blamed, often in [(True, []), (False, []), (True, []), (True, [0])]:
            taken = hand_out.take(0, 1)
            assert hand_out.lost(0, taken, blamed) == often
        assert hand_out.take(0, 9) == [0, 1]
