"""The real compilers of devices that are not here, where they are installed.

`python tests/training/test_ahead.py` writes the figures anew (ahead.json beside this file): after a
change that is meant to change the memory, and read by whoever reviews it.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = Path(__file__).with_name("ahead.json")
# Name: layers, hidden, heads, intermediate, and trials at once.
MODELS = {"tiny": (2, 64, 4, 128, 4), "bert_large": (24, 1024, 16, 4096, 1)}
DEVICES = ("h100", "v5e")
CASES = [(model, device) for model in MODELS for device in DEVICES]
HEADS, HEAD_SIZE = 2, 64  # of the attention kernel where it is compiled alone
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


def plan_of(folder: Path, name: str, platform: str, *more: str):
    """The program of a sweep of this model, as an accelerator runs it."""
    from jaxtune.config.parse import parse
    from jaxtune.config.trials import make_trials
    from jaxtune.training.plan import make_plans

    flags = ["--model", str(write_model(folder / name, name)), "--random_weights"]
    flags += ["--task", "miniature", "--num_seeds", "8", "--precision", "bfloat16", *more]
    return make_plans(make_trials(parse(flags)), platform=platform)[0]


def figures(plan, device: str, trials: int) -> dict[str, float]:
    """What the compiler says of the train program, and the model of it."""
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training import ahead
    from jaxtune.training.device_plan import schedule_of
    from jaxtune.training.hlo import recomputed
    from jaxtune.training.roofline import cost

    known = accelerator(device)
    plan = plan.stacking(trials)
    compiled = ahead.compile_train(plan, ahead.described_devices(known)[:1])
    assert compiled is not None
    assert recomputed(compiled.text) == 0
    step = cost(compiled.text, known, schedule_of(plan, trials))
    return {
        "mib_per_trial": round(compiled.bytes_held / 2**20 / trials, 1),
        "kernels_per_seed_step": round(step.kernels / trials, 1),
        "model_ms_per_seed_step": round(1000 * step.seconds / trials, 3),
    }


def exchanges(model: str) -> dict[str, int]:
    """What trials on the four chips of a v5e:2x2 say to each other."""
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training import ahead
    from jaxtune.training.hlo import collectives

    devices = ahead.described_devices(accelerator("v5e"))
    with tempfile.TemporaryDirectory() as scratch:
        plan = plan_of(Path(scratch), model, "tpu").stacking(2 if model == "tiny" else 1)
        compiled = ahead.compile_train(plan, devices)
    assert compiled is not None
    return {"chips": len(devices), "collectives": collectives(compiled.text)}


def scatters() -> dict[str, int]:
    """Of the train program on an H100: those that write to places of their own, as they say or as
    a loss does for each of its examples; and others.
    """
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training import ahead
    from jaxtune.training.hlo import Module, shapes

    devices = ahead.described_devices(accelerator("h100"))[:1]
    with tempfile.TemporaryDirectory() as scratch:
        plan = plan_of(Path(scratch), "tiny", "cuda").stacking(4)
        compiled = ahead.compile_train(plan, devices)
    assert compiled is not None
    found = {"unique": 0, "of examples": 0, "others": 0}
    per_example = (4, plan.config.batch_size, plan.task.num_labels)
    for rows in Module(compiled.text).computations.values():
        for row in rows.values():
            if row.opcode != "scatter":
                continue
            if row.attribute("unique_indices") == "true":
                found["unique"] += 1
            elif shapes(row.type)[0].dims == per_example:
                found["of examples"] += 1
            else:
                found["others"] += 1
    return found


def kernel_compiles(device, slots: int, dtype: str) -> bool:
    """Whether the kernel's forward and backward pass compile for rows of so many slots; not, where
    the compiler says that they do not fit in shared memory.
    """
    import jax
    import jax.numpy as jnp
    from jax.sharding import SingleDeviceSharding

    from jaxtune.core.devices import is_out_of_shared_memory
    from jaxtune.models.attention import attend

    def total(rows, segments):
        out = attend(rows, segments, HEADS, jax.random.key(0), 0.1, "kernel")
        return out.astype(jnp.float32).sum()

    given = (((2 * slots, 3 * HEADS * HEAD_SIZE), dtype), ((2, slots), "int16"))
    on = SingleDeviceSharding(device)
    shapes = [jax.ShapeDtypeStruct(*each, sharding=on) for each in given]
    try:
        compiled = jax.jit(jax.value_and_grad(total)).lower(*shapes).compile()
    except jax.errors.JaxRuntimeError as error:
        if not is_out_of_shared_memory(error):
            raise
        return False
    return "custom-call" in compiled.as_text()  # a kernel, and not products in its place


def kernel_rows(name: str) -> dict[str, list[int]]:
    """The longest row that the kernel is said to hold on a card; whether it does, and whether one
    twice as long does; by type.
    """
    from jaxtune.core.accelerators import accelerator
    from jaxtune.models.attention import shared_memory
    from jaxtune.training.ahead import described_devices

    (device,) = described_devices(accelerator(name))[:1]
    found = {}
    for dtype in ("bfloat16", "float32"):
        fits = [
            n
            for n in (64, 128, 256, 512)
            if shared_memory(n, HEAD_SIZE, dtype) <= device.shared_memory_per_block_optin
        ]
        longest = fits[-1]
        found[dtype] = [
            longest,
            *(kernel_compiles(device, n, dtype) for n in (longest, 2 * longest)),
        ]
    return found


def kernel_types(name: str) -> dict[str, bool]:
    """Whether the kernel compiles for rows of 128 slots, by type."""
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training.ahead import described_devices

    (device,) = described_devices(accelerator(name))[:1]
    return {dtype: kernel_compiles(device, 128, dtype) for dtype in ("bfloat16", "float32")}


def compiled_apart(device: str, *words: str) -> dict[str, float]:
    """What this file prints as a program: the compilers want JAX in a process of its own.

    Skips where the compiler is not installed, which `pip install jaxtune[ahead-...]` does.
    """
    from jaxtune.core.accelerators import accelerator
    from jaxtune.training.ahead import COMPILERS

    module, extra = COMPILERS[accelerator(device).platform]
    if find_spec(module) is None:
        pytest.skip(f"no compiler for {device}; pip install 'jaxtune[{extra}]'")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, __file__, *words],
        env=clean | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.storm
@pytest.mark.parametrize(("model", "device"), CASES)
def test_memory_is_that_of_the_table(model, device):
    """A change that makes it worse is seen; so is one that makes it better, for the table."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    if kept["jax"] != version("jax"):
        pytest.skip(f"the figures are of jax {kept['jax']}, this is {version('jax')}")
    seen = compiled_apart(device, model, device)
    assert seen["mib_per_trial"] == pytest.approx(
        kept[model][device]["mib_per_trial"], rel=TOLERANCE
    ), f"now {seen}; if this is meant, run python {Path(__file__).name}"


@pytest.mark.storm
def test_blocks_written_out_are_fewer_kernels():
    """No copies into and out of stacks of layers: 60 a seed-step in place of 81."""
    loop, written_out = (
        compiled_apart("h100", "tiny", "h100", "--scan_layers", scan)["kernels_per_seed_step"]
        for scan in ("true", "false")
    )
    assert written_out < 0.8 * loop


@pytest.mark.storm
def test_no_gradient_on_a_gpu_depends_on_the_order_of_its_threads():
    """An addition of many threads to one place is atomic, in any order; one to a place of its own
    is not.
    """
    assert compiled_apart("h100", "scatters") == {"unique": 8, "of examples": 4, "others": 0}


@pytest.mark.storm
def test_the_kernel_holds_the_rows_that_it_is_said_to():
    found = compiled_apart("l4", "kernel_rows", "l4")
    assert found == {"bfloat16": [128, True, False], "float32": [64, True, False]}


@pytest.mark.storm
@pytest.mark.parametrize("device", DEVICES)
def test_the_kernel_compiles_forward_and_backward(device):
    assert compiled_apart(device, "kernel_types", device) == {"bfloat16": True, "float32": True}


@pytest.mark.storm
@pytest.mark.parametrize("model", MODELS)
def test_trials_on_four_chips_exchange_nothing(model):
    assert compiled_apart("v5e", "exchanges", model) == {"chips": 4, "collectives": 0}


def figures_of(model: str, device: str, *more: str) -> dict[str, float]:
    from jaxtune.core.accelerators import accelerator

    with tempfile.TemporaryDirectory() as scratch:
        plan = plan_of(Path(scratch), model, accelerator(device).platform, *more)
        return figures(plan, device, MODELS[model][-1])


def write_figures() -> None:
    """The table anew, for this version of jax."""
    table: dict[str, object] = {"jax": version("jax")}
    for model in MODELS:
        table[model] = {device: figures_of(model, device) for device in DEVICES}
    FIGURES.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    asked = {"exchanges": exchanges, "kernel_rows": kernel_rows, "kernel_types": kernel_types}
    if sys.argv[1:] == ["scatters"]:
        print(json.dumps(scatters()))
    elif sys.argv[1:2] and sys.argv[1] in asked:
        print(json.dumps(asked[sys.argv[1]](sys.argv[2])))
    elif sys.argv[1:]:
        print(json.dumps(figures_of(*sys.argv[1:])))
    else:
        write_figures()
