"""The real compilers of devices that are not here, where they are installed.

`python tests/training/test_ahead.py` writes the figures anew (ahead.json beside this file): after a
change that is meant to change the memory, and read by whoever reviews it.
"""

import json
import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

FIGURES = Path(__file__).with_name("ahead.json")
# Name: layers, hidden, heads, intermediate, and trials at once.
MODELS = {"tiny": (2, 64, 4, 128, 4), "bert_large": (24, 1024, 16, 4096, 1)}
DEVICES = ("h100", "v5e")
CASES = [(model, device) for model in MODELS for device in DEVICES]
TOLERANCE = 0.05  # of the bytes that the table holds


def write_model(folder: Path, name: str) -> Path:
    """A folder without weights: an architecture and the miniature's tokenizer."""
    from jaxtune.data.miniature import language

    layers, hidden, heads, intermediate, _ = MODELS[name]
    raw = {
        **{"model_type": "bert", "hidden_act": "gelu", "pad_token_id": 0, "type_vocab_size": 2},
        **{"vocab_size": len(language.VOCABULARY), "max_position_embeddings": 512},
        **{"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads},
        "intermediate_size": intermediate,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    language.write_tokenizer(folder)
    return folder


def plan_of(folder: Path, name: str):
    """The program of a sweep of this model, as an accelerator runs it."""
    from jaxtune.config.parse import parse
    from jaxtune.config.trials import make_trials
    from jaxtune.training.plan import make_plans

    flags = ["--model", str(write_model(folder / name, name)), "--random_weights"]
    flags += ["--task", "miniature", "--num_seeds", "8", "--precision", "bfloat16"]
    return make_plans(make_trials(parse(flags)), platform="gpu")[0]


def figures(plan, device: str, trials: int) -> dict[str, float]:
    """What the compiler says of the train program, and the model of it."""
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training import ahead
    from jaxtune.training.device_plan import schedule_of
    from jaxtune.training.hlo import recomputed
    from jaxtune.training.roofline import cost

    known = accelerator(device)
    compiled = ahead.compile_train(plan, ahead.described_devices(known)[:1], trials)
    assert compiled is not None
    assert recomputed(compiled.text) == 0
    step = cost(compiled.text, known, schedule_of(plan, trials))
    return {
        "mib_per_trial": round(compiled.bytes_held / 2**20 / trials, 1),
        "kernels_per_seed_step": round(step.kernels / trials, 1),
        "model_ms_per_seed_step": round(1000 * step.seconds / trials, 3),
    }


def needs_compiler(device: str) -> None:
    """Skips where the compiler is not installed, which `pip install jaxtune[ahead-...]` does."""
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training.ahead import COMPILERS

    module, extra = COMPILERS[accelerator(device).platform]
    if find_spec(module) is None:
        pytest.skip(f"no compiler for {device}; pip install 'jaxtune[{extra}]'")


@pytest.mark.storm
@pytest.mark.parametrize(("model", "device"), CASES)
def test_memory_is_that_of_the_table(model, device, tmp_path):
    """A change that makes it worse is seen; so is one that makes it better, for the table."""
    needs_compiler(device)
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    if kept["jax"] != version("jax"):
        pytest.skip(f"the figures are of jax {kept['jax']}, this is {version('jax')}")
    seen = figures(plan_of(tmp_path, model), device, MODELS[model][-1])
    assert seen["mib_per_trial"] == pytest.approx(
        kept[model][device]["mib_per_trial"], rel=TOLERANCE
    ), f"now {seen}; if this is meant, run python {Path(__file__).name}"


@pytest.mark.storm
def test_trials_on_four_chips_exchange_nothing(tmp_path):
    needs_compiler("v5e")
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training import ahead
    from jaxtune.training.hlo import collectives

    devices = ahead.described_devices(accelerator("v5e"))
    assert len(devices) == 4
    compiled = ahead.compile_train(plan_of(tmp_path, "tiny"), devices, 8)
    assert compiled is not None
    assert collectives(compiled.text) == 0


def write_figures(folder: Path) -> None:
    """The table anew, for this version of jax."""
    table: dict[str, object] = {"jax": version("jax")}
    for model in MODELS:
        plan = plan_of(folder, model)
        table[model] = {name: figures(plan, name, MODELS[model][-1]) for name in DEVICES}
    FIGURES.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    print(FIGURES.read_text(encoding="utf-8"))


if __name__ == "__main__":
    import tempfile

    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory() as scratch:
        write_figures(Path(scratch))
    sys.exit(0)
