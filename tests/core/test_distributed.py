"""Joining the other processes of a run: what is wrong is one sentence, in every process."""

import re
from types import SimpleNamespace

import jax
import pytest

from jaxtune.core import distributed, processes
from jaxtune.core.distributed import join_processes
from jaxtune.core.errors import UserError
from jaxtune.core.processes import in_all

GOOD = {
    "JAX_COORDINATOR_ADDRESS": "127.0.0.1:1",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "0",
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"JAX_NUM_PROCESSES": None}, "and JAX_NUM_PROCESSES is not set; set JAX_NUM_PROCESSES to"),
        ({"JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES is 'two'"),
        ({"JAX_NUM_PROCESSES": "0"}, "JAX_NUM_PROCESSES is '0'"),
        ({"JAX_PROCESS_ID": None}, "JAX_PROCESS_ID is not set"),
        ({"JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID is '2'; .* the number of this process, 0 to 1"),
        ({"JAX_PROCESS_ID": "-1"}, "JAX_PROCESS_ID is '-1'"),
        ({"JAX_COORDINATOR_ADDRESS": "here"}, "is 'here'; set it to HOST:PORT"),
        ({"JAX_COORDINATOR_ADDRESS": ":9"}, "is ':9'"),
        ({"JAX_COORDINATOR_ADDRESS": "here:x"}, "is 'here:x'"),
        ({"JAX_COORDINATOR_ADDRESS": "here:99999"}, "is 'here:99999'"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_named(monkeypatch, changes, says):
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_: pytest.fail("it joins"))
    for name, value in (GOOD | changes).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=says):
        join_processes()


def test_jax_that_was_used_before_is_one_sentence(monkeypatch):
    """It says so in a RuntimeError."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    jax.devices()
    with pytest.raises(UserError, match=r"cannot join the others at 127\.0\.0\.1:1 \(jax\.dist"):
        join_processes()


@pytest.mark.parametrize(("of_process", "equal"), [((0, 0, 1, 1), True), ((0, 1, 1), False)])
def test_who_has_joined_meets_the_others_at_once(monkeypatch, of_process, equal):
    """Gloo has 30 seconds for the first exchange alone. With unequal devices JAX has none."""
    met = []
    devices = [SimpleNamespace(process_index=process) for process in of_process]
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(jax, "devices", lambda: devices)
    monkeypatch.setattr(processes, "worst", met.append)
    if equal:
        join_processes()
        assert met == [[0]]
        return
    with pytest.raises(UserError, match=re.escape("(process 0: 1, process 1: 2)")):
        join_processes()
    assert not met


class TestInAll:
    """A step that may fail in one process, with what the others say given."""

    @pytest.fixture
    def others(self, monkeypatch):
        """What they say, and what is said to them."""
        said, heard = [None], []
        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr(processes, "everyones", lambda own: [heard.append(own) or own, *said])
        return said, heard

    def fail(self, error):
        raise error

    def test_it_gives_what_it_gives(self, others):
        assert in_all(lambda: 3) == 3
        assert others[1] == [None]

    def test_one_process_alone_asks_nobody(self, monkeypatch):
        monkeypatch.setattr(processes, "everyones", lambda _: pytest.fail("it asks"))
        assert in_all(lambda: 3) == 3
        with pytest.raises(KeyError):
            in_all(lambda: self.fail(KeyError("x")))

    def test_what_fails_elsewhere_fails_here(self, others):
        others[0][:] = ["there is no model."]
        with pytest.raises(UserError, match=r"^process 1: there is no model\.$"):
            in_all(lambda: 3)

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (UserError("no model."), "no model."),
            (FileNotFoundError(2, "gone", "x"), "FileNotFoundError: [Errno 2] gone: 'x'"),
        ],
    )
    def test_what_fails_here_is_said_and_raised_as_it_is(self, others, error, says):
        with pytest.raises(type(error)) as raised:
            in_all(lambda: self.fail(error))
        assert raised.value is error
        assert others[1] == [says]


def test_a_mistake_of_one_process_alone_tells_nobody(monkeypatch):
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    monkeypatch.setattr(processes, "tell", lambda _: pytest.fail("it tells"))
    with pytest.raises(UserError, match="wrong"), distributed.others_told():
        raise UserError("wrong")
