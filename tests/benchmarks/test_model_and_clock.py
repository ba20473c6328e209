"""The benchmark that sets the model of a step beside a device's clock: its reading of a trace."""

import jax
import model_and_clock
import pytest

from jaxtune.core.accelerators import accelerator
from jaxtune.training.roofline import Kernel

# Two kernels of a GPU's stream: one of XLA's own, and one of NVIDIA's library with its
# instruction beside it; then a line that is made of them, which counts nothing.
TRACE = """
planes {
  id: 1 name: "/device:GPU:0"
  event_metadata { key: 1 value { id: 1 name: "loop_add_fusion_3" } }
  event_metadata { key: 2 value { id: 2 name: "nvjet_tst_128x256_NN" } }
  event_metadata { key: 3 value { id: 3 name: "memcpy" } }
  stat_metadata { key: 1 value { id: 1 name: "hlo_op" } }
  lines {
    id: 7 name: "Stream #7(Compute)"
    events { metadata_id: 1 offset_ps: 0 duration_ps: 4000000000 }
    events {
      metadata_id: 2 offset_ps: 5000000000 duration_ps: 6000000000
      stats { metadata_id: 1 str_value: "custom-call.12" }
    }
    events { metadata_id: 3 offset_ps: 11000000000 duration_ps: 1000000000 }
  }
  lines {
    id: 8 name: "XLA Modules"
    events { metadata_id: 1 offset_ps: 0 duration_ps: 12000000000 }
  }
}
planes { id: 2 name: "/host:CPU" }
"""
BACKWARD = "jit(_train)/while/body/transpose(jvp())/while/body/attention/dot_general"


def kernel(times, name, where, flop, num_bytes):
    return Kernel(times, name, where, flop, num_bytes)


def test_kernels_by_the_clock_stand_beside_those_of_the_model(tmp_path):
    folder = tmp_path / "plugins" / "profile" / "one"
    folder.mkdir(parents=True)
    trace = jax.profiler.ProfileData.text_proto_to_serialized_xspace(TRACE)
    (folder / "host.xplane.pb").write_bytes(trace)
    seen = list(model_and_clock.events(tmp_path))
    assert [each.name for each in seen] == ["loop_add_fusion_3", "custom-call.12", "memcpy"]

    device = accelerator("h100")
    program = [
        kernel(1.0, "loop_add_fusion.3", "jit(_train)/while/body/add", {}, 10**9),
        kernel(24.0, "custom-call.12", BACKWARD, {"bfloat16": 1e12}, 10**6),
    ]
    lines = {line.kind: line for line in model_and_clock.lines_of(program, seen, 2, device)}
    assert set(lines) == {
        "optimiser, norms, buffers",
        "backward: dense products",
        model_and_clock.UNKNOWN,
    }
    assert lines["optimiser, norms, buffers"].clock == pytest.approx(0.002)
    assert lines["optimiser, norms, buffers"].model == 1e9 / device.memory_rate
    assert lines["backward: dense products"].kernels == 24
    assert lines["backward: dense products"].clock == pytest.approx(0.003)
    assert lines[model_and_clock.UNKNOWN][1:] == (0.0, 0.0, pytest.approx(0.0005))
    table = model_and_clock.table([*lines.values()], 2, 0.008)
    assert f"| {model_and_clock.IDLE} | 0.0 | 0.000 | 1.250 |  |" in table


def test_loops_are_no_kernels():
    text = """HloModule m
ENTRY %main (p: f32[2]) -> f32[2] {
  %p = f32[2]{0} parameter(0)
  ROOT %while.2 = f32[2]{0} while(%p), condition=%c, body=%b
}
"""
    assert model_and_clock.containers(text) == {"while_2"}
