"""What is read of XLA's optimised HLO: hand-made programs, whose sizes are known."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxtune.training.hlo import Module, collectives, num_bytes, recomputed, shapes

PROGRAM = Path(__file__).with_name("made_up.hlo").read_text(encoding="utf-8")
KERNEL = Path(__file__).with_name("kernel.hlo").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made_up():
    return Module(PROGRAM)


def row(module, name):
    rows = module.computations[module.entry]
    return rows, rows[name]


def test_a_line_is_a_name_a_type_an_operation_and_its_operands(made_up):
    assert made_up.entry == "main"
    assert list(made_up.computations) == ["sliced", "updated", "condition", "open", "main"]
    product = row(made_up, "product")[1]
    assert (product.type, product.opcode) == ("bf16[4,16,8]{2,1,0}", "dot")
    assert product.operands == ["a", "b"]
    assert product.where == "jit(f)/attention/dot_general"
    assert product.attribute("lhs_contracting_dims") == "2"
    assert product.called("calls") == []
    assert row(made_up, "fetch")[1].opcode == "copy-start"  # after a type with brackets


def test_sizes():
    assert num_bytes("(f32[2,3]{1,0}, /*index=1*/bf16[8]{0:T(128)}, pred[5], u32[])") == 24 + 16 + 9
    assert num_bytes("bf16[16,8]{1,0:T(8,128)(2,1)S(1)}") == 0  # beside the units of a TPU
    assert shapes("bf16[16,8]{1,0:T(8,128)(2,1)S(1)}")[0].size == 256
    assert num_bytes("token[]") == 0


@pytest.mark.parametrize(
    ("name", "flop"),
    [
        ("product", {"bfloat16": 2 * 4 * 16 * 8 * 32}),
        ("exact", {"float32": 2 * 8 * 2 * 64}),
        ("quick", {"tensorfloat32": 2 * 8 * 2 * 64}),
        ("on_tpu", {"bfloat16": 2 * 16 * 8 * 32}),
        # Batch axes are windows: each output meets one place of them.
        ("batched", {"bfloat16": 2 * 14 * 16 * 8 * 4 * 32}),
        ("mirrored", {"bfloat16": 2 * 14 * 16 * 8 * 4 * 32}),
        ("slice.1", {}),
    ],
)
def test_products(made_up, name, flop):
    assert made_up.products_of(*row(made_up, name)) == flop


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("product", 2 * (4 * 16 * 32 + 4 * 32 * 8 + 4 * 16 * 8)),
        ("on_tpu", 2 * (16 * 32 + 32 * 8)),  # its result stays on the chip
        ("slice.1", 4 + 2 * 4 * 64),  # of the table one slice, read and written
        ("update.1", 4 + 2 * 4 * 64),  # in place
        ("fetch", 4 * 8 * 64),
    ],
)
def test_bytes(made_up, name, moved):
    assert made_up.bytes_of(*row(made_up, name)) == moved


def test_trips(made_up):
    loops = [made_up.trips(row(made_up, f"loop.{i}")[1]) for i in (1, 2, 3)]
    assert loops == [24, None, 7]


def test_what_xla_computes_again_and_what_devices_exchange():
    assert (recomputed(PROGRAM), collectives(PROGRAM)) == (0, 0)
    again = "  %fusion.1.remat3 = f32[8]{0} fusion(%a), kind=kLoop, calls=%sliced\n"
    again += "  ROOT %add.remat = f32[8]{0} add(%fusion.1.remat3, %a)\n"
    assert recomputed(PROGRAM + again) == 2
    a_number = "  %fusion.2.remat = pred[] fusion(%step), kind=kInput, calls=%compared\n"
    assert recomputed(PROGRAM + a_number) == 0
    on_a_tpu = "  %add.3.remat = s32[]{:T(128)} add(%step, %one)\n"
    assert recomputed(PROGRAM + on_a_tpu) == 0
    some = "  %fusion.4.remat = (f32[], f32[8]{0}) fusion(%a), kind=kLoop, calls=%sliced\n"
    some += "  %copy.5.remat = f32[8]{0:T(128)S(1)} copy(%a)\n"
    assert recomputed(PROGRAM + some) == 2
    # Blocks that jax recomputes because it was told to are no sign of too little memory.
    asked = (
        '  %add.4 = f32[8]{0} add(%a, %b), metadata={op_name="checkpoint/rematted/x.remat = "}\n'
    )
    assert recomputed(asked) == 0
    exchanged = "  %r = f32[8]{0} all-reduce(%a), to_apply=%sum\n"
    exchanged += "  %g = (f32[8]{0}, f32[8]{0}) all-gather-start(%a)\n"
    assert collectives(PROGRAM + exchanged) == 2


def test_the_products_of_the_attention_kernel():
    """Three trials of two rows of 32 slots: scores and sums of values, and their gradients."""
    module = Module(KERNEL)
    product = 2 * 3 * 2 * 32 * 32 * 128
    found = [module.products_of(*row(module, name)) for name in ("on", "back", "other")]
    assert found == [{"bfloat16": 2 * product}, {"bfloat16": 5 * product}, {}]
    exact = Module(KERNEL.replace("bf16", "f32"))
    assert exact.products_of(*row(exact, "on")) == {"float32": 2 * product}


def test_the_products_of_a_program_that_xla_compiled():
    """A scan of five products of 8 x 16 with 16 x 16, in float32."""

    def chain(x, weights):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, weights)[0]

    x, weights = jnp.zeros((8, 16)), jnp.zeros((5, 16, 16))
    text = jax.jit(chain).lower(x, weights).compile().as_text()
    from jaxtune.training.roofline import kernels

    found = sum(kernel.times * sum(kernel.flop.values()) for kernel in kernels(text))
    assert found == 5 * 2 * 8 * 16 * 16
