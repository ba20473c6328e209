"""What a worker answers is written only if it is what was asked for: whoever reaches a port of Ray
may answer in its place.
"""

import io
import pickle

import numpy as np
import pytest
import yaml
from small_groups import plan_for

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.storage.inputs import absolute, read_inputs
from jaxtune.sweep.cluster.messages import (
    Answer,
    DamagedAnswerError,
    check_group,
    pack,
    unpack,
)
from jaxtune.sweep.cluster.worker import Worker
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.same_plan import fingerprint
from jaxtune.training.group_inputs import put_on_devices
from jaxtune.training.group_run import GroupRun
from jaxtune.training.plan import make_plans


@pytest.fixture(scope="module")
def group(tiny):
    """A plan, two trials of it, and what they answer."""
    plan = plan_for(tiny, "--num_seeds", "2", "--eval_every", "3", "--dev_fraction", "0.1")
    program = plan.compile(plan.group_size)
    tables = put_on_devices(program, plan.task)
    run = GroupRun(program, plan, tables, plan.trials, [])
    run.run()
    facts = {"numbers": [0, 1], "size": 2}
    return plan, plan.trials, Answer(facts, run.records.as_arrays())


def test_an_answer_comes_back_as_it_was_given(group):
    plan, trials, answer = group
    found = unpack(pack(*answer))
    assert found.facts == answer.facts
    assert found.arrays.keys() == answer.arrays.keys()
    for name, array in answer.arrays.items():
        np.testing.assert_array_equal(array, found.arrays[name])
    check_group(found, plan, trials, plan.num_steps)


@pytest.mark.parametrize("place", [0, 31, 32, 40, -1])
def test_a_changed_byte_is_refused(group, place):
    message = bytearray(pack(*group[2]))
    message[place] ^= 1
    with pytest.raises(DamagedAnswerError, match="checksum"):
        unpack(bytes(message))


@pytest.mark.parametrize("message", [b"", b"x" * 32, b"y" * 99, None, "text", {"numbers": [0]}])
def test_what_is_no_answer_is_refused(message):
    with pytest.raises(DamagedAnswerError):
        unpack(message)


def test_nothing_is_unpickled(tmp_path):
    """An npz with an object, under a right checksum."""
    import hashlib

    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    trap = np.empty(1, object)
    trap[0] = Trap()
    file = io.BytesIO()
    np.savez(file, loss=trap, facts=np.frombuffer(b"{}", np.uint8))
    for body in (file.getvalue(), pickle.dumps(Trap())):
        with pytest.raises(DamagedAnswerError, match="cannot be read"):
            unpack(hashlib.sha256(body).digest() + body)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("loss", lambda a: a[:1], "its loss"),
        ("loss", lambda a: a[:, :-1], "ends after 5 of 6 steps"),
        ("loss", lambda a: a.astype(np.int32), "its loss"),
        ("norms", lambda a: a[:, :, 1:], "its norms"),
        ("logits", lambda a: a[:, 1:], "its logits"),
        ("logits", lambda a: a.astype(complex), "its logits"),
        ("scores", lambda a: a[:, :, 1:], "its scores"),
        ("metrics", lambda a: a[::-1], "scored by"),
        ("evaluated", lambda a: a[::-1], "evaluations"),
        ("stopped", lambda _: np.array([[7, 3]]), "stops trials"),
        ("stopped", lambda _: np.array([[0, 4]]), "stops trials"),
        ("out_of_patience", lambda _: np.array([1]), "stops trials that go on"),
        ("seconds", lambda _: np.array(np.nan), "time or group size"),
        ("seconds", lambda _: np.array(-1.0), "time or group size"),
        ("answers/test", lambda _: np.zeros((2, 3, 2), np.float32), "other arrays"),
        ("finite", None, "other arrays"),
    ],
)
def test_other_arrays_than_asked_for_are_refused(group, name, change, said):
    plan, trials, answer = group
    arrays = dict(answer.arrays)
    array = arrays.pop(name, None)
    if change:
        arrays[name] = change(array)
    with pytest.raises(DamagedAnswerError, match=said):
        check_group(Answer(answer.facts, arrays), plan, trials, plan.num_steps)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"numbers": [], "size": 2},
        {"numbers": [0], "size": 2},
        {"numbers": [1, 0], "size": 2},
        {"numbers": [0, 1, 2], "size": 3},
        {"numbers": ["0", "1"], "size": 2},
        {"numbers": [0, 1], "size": 1},
        {"numbers": [0, 1], "size": "2"},
    ],
)
def test_other_trials_than_asked_for_are_refused(group, facts):
    plan, trials, answer = group
    with pytest.raises(DamagedAnswerError):
        check_group(Answer(facts, answer.arrays), plan, trials, plan.num_steps)


@pytest.fixture(scope="module")
def asked(tiny):
    """What the driver of a small sweep would ask."""
    settings = parse(["--model", tiny, "--task", "miniature", "--num_seeds", "2"])
    (plan,) = make_plans(make_trials(settings))
    return {
        "settings": yaml.safe_load(absolute(settings).as_yaml()),
        "first": 0,
        "share": [0, 1],
        "inputs": {role: list(file) for role, file in read_inputs(settings).items()},
        "files": {},
        "fingerprint": fingerprint(plan),
    }


class TestWhatAWorkerRefuses:
    """The worker itself, in this process: a node has other files than the driver."""

    def opened(self, asked, **changes):
        worker = Worker(None, False)
        worker._meter = Meter()
        return unpack(worker.open(asked | changes)).facts

    def test_the_same_files_are_opened(self, asked):
        assert self.opened(asked) == {"size": 2, "how": None}

    def test_another_checksum_names_the_file(self, asked):
        path, _ = asked["inputs"]["model/model.safetensors"]
        inputs = asked["inputs"] | {"model/model.safetensors": [path, "0" * 64]}
        problem = self.opened(asked, inputs=inputs)["problem"]
        assert f"{path} has changed" in problem
        assert "put the same there, under the same path" in problem

    def test_a_file_that_is_not_there_is_named(self, asked):
        inputs = asked["inputs"] | {"model/more.json": ["/nowhere/more.json", "0" * 64]}
        assert "/nowhere/more.json is gone" in self.opened(asked, inputs=inputs)["problem"]

    def test_a_model_that_is_not_there_is_named(self, asked):
        settings = asked["settings"] | {"model": "/nowhere/model"}
        problem = self.opened(asked, settings=settings)["problem"]
        assert "There is no folder /nowhere/model" in problem
        assert "up to 4 GB are sent with --runtime_env true" in problem

    def test_other_tokens_of_the_same_files_are_refused(self, asked):
        assert "other tokens" in self.opened(asked, fingerprint="0" * 64)["problem"]

    def test_a_fault_comes_back_as_a_traceback_and_not_as_an_exception(self, asked):
        assert "KeyError" in self.opened(asked, first=99)["fault"]
