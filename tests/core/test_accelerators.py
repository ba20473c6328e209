"""The facts about devices, and what a compiler is told of them."""

import re

import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.core.accelerators import ACCELERATORS, GIB, NAMES, accelerator
from jaxtune.core.errors import UserError
from jaxtune.core.help import docs_of


@pytest.mark.parametrize("device", ACCELERATORS, ids=NAMES)
def test_facts_are_whole_and_in_the_right_units(device):
    assert device.source
    assert 15 * GIB < device.memory < 300 * GIB
    assert 0.2e12 < device.bandwidth < 10e12
    assert 100e12 < device.bfloat16 < 5000e12
    assert device.bfloat16 >= device.tensorfloat32 > device.float32 > 10e12
    assert (device.platform == "cuda") == (device.topology is None)
    assert device.matrix_rate("bfloat16") == 0.8 * device.bfloat16
    assert device.memory_rate == 0.9 * device.bandwidth


@pytest.mark.parametrize("device", [d for d in ACCELERATORS if d.platform == "cuda"])
def test_the_target_config_names_what_the_compiler_asks_for(device):
    text = device.target_config
    assert text.count("{") == text.count("}")
    assert f"device_memory_size: {device.memory}\n" in text
    assert re.search(r"cuda_compute_capability \{ major: [89] minor: [0-9] \}", text)
    assert "runtime_version { major: 12 " in text  # or products are not rewritten as on the card
    assert device.title in text


def test_help_names_every_device():
    assert ", ".join(NAMES) in docs_of(SweepConfig)["device"].text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("h10", "The device 'h10' is unknown; did you mean h100?"),
        ("H100", "The device 'H100' is unknown; did you mean h100?"),
        ("abacus", f"The device 'abacus' is unknown; accepted are {', '.join(NAMES)}."),
    ],
)
def test_an_unknown_device_is_one_sentence(name, says):
    with pytest.raises(UserError) as error:
        accelerator(name)
    assert str(error.value) == says
