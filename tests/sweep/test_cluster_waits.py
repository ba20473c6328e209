"""What a driver makes of workers that are silent, slow, lost or of no use, by a set clock."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from jaxtune.core.errors import UserError
from jaxtune.sweep.cluster import driving, workers
from jaxtune.sweep.cluster.connection import Node
from jaxtune.sweep.cluster.driving import ClusterGroups
from jaxtune.sweep.cluster.hand_out import HandOut
from jaxtune.sweep.cluster.messages import Answer, DamagedAnswerError
from jaxtune.sweep.cluster.usual_time import UsualTime
from jaxtune.sweep.cluster.who_ran import note_workers
from jaxtune.sweep.cluster.workers import Workers
from jaxtune.training.plan import ProgramPlan

pytest.importorskip("ray")

HEAD, OTHER = Node("a" * 20, "head", 4, 0), Node("b" * 20, "other", 4, 0)
GOOD = {"versions": {"jax": "1"}, "devices": ["cpu:cpu"]}


@pytest.fixture
def clock(monkeypatch):
    """Seconds, as both sides of the driver read them."""
    found = SimpleNamespace(now=1000.0)
    read = SimpleNamespace(monotonic=lambda: found.now)
    monkeypatch.setattr(driving, "time", read)
    monkeypatch.setattr(workers, "time", read)
    return found


@pytest.fixture
def spoken(monkeypatch):
    """What is said."""
    found = []
    monkeypatch.setattr(driving, "say", found.append)
    monkeypatch.setattr(workers, "say", found.append)
    return found


@pytest.fixture
def cluster(monkeypatch, clock, spoken):
    """Workers of these nodes, of which each has begun one that has not answered yet."""

    def made(*nodes, platform="cpu"):
        living = [*nodes]
        found = object.__new__(Workers)
        actor = SimpleNamespace(about=SimpleNamespace(remote=itertools.count().__next__))
        monkeypatch.setattr(workers, "living_nodes", lambda: living)
        monkeypatch.setattr(workers, "remote", lambda *_: actor)
        monkeypatch.setattr("ray.kill", lambda _: None)
        found.__dict__ |= {
            "platform": platform,
            "all": [],
            "lost": 0,
            "_compile_cache": False,
            "_calls": {},
            "_nodes": {},
            "_left_out": {},
            "_losses": workers.Counter(),
            "_looked_at": clock.now,
            "_seen_at": clock.now,
            "_waits": False,
            "_own": {"jax": "1"},
            "_head": SimpleNamespace(answers=lambda: True, check_own=lambda _: None),
            "_ever": [],
            "_gone": [],
        }
        found._begin(living)
        for worker in found.all:
            worker.doing = None
        return found, living

    return made


class Plan(ProgramPlan):
    """What of a plan the driver's clock looks at: trials of so many steps, of rows of slots."""

    num_steps = stop_step = None

    def __init__(self, steps, stop_step=None, slots=8, rows=2):
        self.__dict__ |= {
            "num_steps": steps,
            "stop_step": stop_step,
            "rows": np.full((3, steps), rows),
            "task": SimpleNamespace(shape=SimpleNamespace(slots=slots)),
            "config": SimpleNamespace(save_params="final"),
        }


def groups_on(found, *plans):
    """The driver of these plans' trials, ten of each."""
    made = object.__new__(ClusterGroups)
    numbers = [list(range(10 * place, 10 * place + 10)) for place in range(len(plans))]
    made.__dict__ |= {
        "_workers": found,
        "_plans": plans,
        "_hand_out": HandOut(numbers),
        "_usual": UsualTime(plans),
        "_first_leg": False,
        "_keep": None,
        "_left": 10 * len(plans),
        "_trials": {n: SimpleNamespace(number=n) for own in numbers for n in own},
        "_results": SimpleNamespace(progress=SimpleNamespace(aside=""), out=None),
    }
    return made


def at_work(groups, clock, program, size=1):
    """The first worker begins a group."""
    worker = groups._workers.all[0]
    worker.program, worker.size, worker.facts = program, size, GOOD
    worker.held, worker.asked_at = groups._hand_out.take(program, size), clock.now
    return worker


class TestSilence:
    """Groups of one trial take 100 seconds for ten steps."""

    @pytest.fixture
    def groups(self, cluster):
        found, _ = cluster(HEAD)
        groups = groups_on(found, Plan(10), Plan(250, stop_step=10), Plan(10, slots=64, rows=16))
        for _ in range(4):
            groups._usual.note(0, 10, 100.0)
        return groups

    def silent_for(self, groups, clock, worker, seconds):
        """Whether it is still there after as long, looked at every second."""
        until = clock.now + seconds
        while clock.now < until and worker in groups._workers.all:
            clock.now += 1
            groups._watch()
        return worker in groups._workers.all

    def test_a_program_of_more_steps_takes_longer(self, groups, clock, spoken):
        assert self.silent_for(groups, clock, at_work(groups, clock, 1), 2500)
        assert groups._results.progress.aside == "1 worker"
        assert not spoken

    def test_so_do_larger_batches(self, groups, clock):
        assert self.silent_for(groups, clock, at_work(groups, clock, 2), 6400)
        assert groups._results.progress.aside == "1 worker"

    def test_a_whole_trial_takes_longer_than_its_first_leg(self, groups, clock):
        for _ in range(9):
            groups._usual.note(1, 10, 100.0)
        groups._first_leg = True
        worker = at_work(groups, clock, 1)
        assert self.silent_for(groups, clock, worker, 350)
        assert groups._results.progress.aside == "1 worker, slow: head (aaaaaaaa)"
        groups._first_leg = False
        worker.asked_at = clock.now
        assert self.silent_for(groups, clock, worker, 7000)
        assert groups._results.progress.aside == "1 worker"

    def test_the_own_programs_groups_count_first(self, groups):
        groups._usual.note(1, 250, 250.0)
        assert groups._usual.of(1, 250) == pytest.approx(250.0)
        assert groups._usual.of(0, 10) == pytest.approx(100.0)
        assert groups._usual.of(2, 10) == pytest.approx(64 * 100.0)
        assert UsualTime([Plan(3)]).of(0, 3) is None

    def test_who_is_silent_for_twenty_times_as_long_is_given_up(self, groups, clock, spoken):
        worker = at_work(groups, clock, 0)
        assert self.silent_for(groups, clock, worker, 2000)
        assert "slow" in groups._results.progress.aside
        assert not self.silent_for(groups, clock, worker, 2)
        assert spoken == [
            "Lost a worker on head (aaaaaaaa) (it has been silent for 33:21); 1 trial of it run"
            " again."
        ]


class TestNodesOfNoUse:
    """A node that is left out, beside good ones that come and go."""

    def know(self, found, place, **facts):
        found._know(found._ever[place], GOOD | facts)

    def test_a_gpu_that_jax_does_not_see_is_the_reason(self, cluster, spoken):
        found, _ = cluster(HEAD._replace(gpus=1), OTHER._replace(gpus=1), platform="cuda")
        self.know(found, 0)
        self.know(found, 1, devices=["gpu:NVIDIA H100 80GB HBM3"])
        assert spoken == [
            "Left out: head (aaaaaaaa): JAX finds no GPU there (cpu:cpu); install jax with CUDA"
            " there, or start the node with --num-gpus 0."
        ]
        assert [worker.node.host for worker in found.all] == ["other"]

    def test_cpus_are_no_reason_where_no_node_has_a_gpu(self, cluster, spoken):
        found, _ = cluster(HEAD)
        self.know(found, 0)
        assert not spoken

    def look(self, found, clock, seconds=3.0):
        clock.now += seconds
        found.look()

    def test_where_no_node_was_ever_good_the_reason_is_said_at_once(self, cluster, clock):
        found, _ = cluster(HEAD, OTHER)
        self.know(found, 0, versions={"jax": "2"})
        self.look(found, clock)
        found.leave_out(OTHER, "model or data are not those of here")
        with pytest.raises(UserError, match=r"^No node can run the trials: head .*; other .*here"):
            self.look(found, clock)

    def test_a_good_node_that_goes_is_waited_for_and_then_the_others_reason_is_added(
        self, cluster, clock, spoken
    ):
        found, living = cluster(HEAD, OTHER)
        self.know(found, 0, versions={"jax": "2"})
        self.know(found, 1)
        living.remove(OTHER)
        found.drop(found.all[0], "its node was terminated", blamed=False)
        self.look(found, clock)
        assert spoken[-1] == "No node is left; waiting for one to come."
        self.look(found, clock, 200)
        living.append(OTHER)
        self.look(found, clock)
        assert [worker.node.host for worker in found.all] == ["other"]
        living.remove(OTHER)
        found.drop(found.all[0], "its node was terminated", blamed=False)
        self.look(found, clock, 200)
        with pytest.raises(UserError, match=r"for 5 minutes \(left out: head \(a+\): it has jax 2"):
            self.look(found, clock, 200)


@pytest.mark.parametrize(("lives", "blamed"), [(True, 1), (False, 0)])
def test_parameters_that_go_with_their_node_are_no_fault_of_the_trial(
    cluster, clock, monkeypatch, lives, blamed
):
    found, living = cluster(HEAD)
    groups = groups_on(found, Plan(10))
    worker = at_work(groups, clock, 0)

    def record(*_):
        if not lives:
            living.clear()
        raise DamagedAnswerError("ActorDiedError")

    monkeypatch.setattr(driving, "check_group", lambda *_: None)
    monkeypatch.setattr(groups, "_record", record)
    groups._finish(worker, Answer({"numbers": [0], "size": 1}, {"loss": np.zeros((1, 10))}))
    assert groups._hand_out.losses[0] == blamed
    assert found._losses[HEAD.id] == blamed
    assert groups._hand_out.take(0, 1) == [0]  # it runs again in any case


def test_who_ran_what_names_each_trial_once(cluster, tmp_path):
    """A trial of a first leg that another worker runs whole is that one's."""
    found, _ = cluster(HEAD, OTHER)
    one, other = found.all
    for worker, process in ((one, 1), (other, 2)):
        worker.facts = GOOD | {"process": process}
    found.has_run(one, [0, 1])
    found.has_run(other, [2])
    found.has_run(other, [0])
    found.has_run(one, [1])
    assert [each["trials"] for each in found.ran()] == [[1], [0, 2]]
    earlier = [{"node": HEAD.id, "process": 9, "devices": [], "trials": [0, 5]}]
    earlier += [{"node": HEAD.id, "process": 8, "devices": [], "trials": [1]}]
    (tmp_path / "manifest.json").write_text(json.dumps({"cluster": earlier}))
    note_workers(tmp_path, found.ran())
    noted = json.loads((tmp_path / "manifest.json").read_text())["cluster"]
    assert [each["trials"] for each in noted] == [[5], [1], [0, 2]]
