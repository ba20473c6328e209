"""Protects what is said of a processor: whether bfloat16 is worth asking for on it."""

import pytest

from jaxtune.core import cpu

X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse2 avx2 {}\n\n" * 2
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\nCPU part\t: 0xd49\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (X86.format("avx512_bf16", "avx512_bf16"), True),
        (X86.format("amx_bf16", "amx_bf16"), True),
        (X86.format("avx512f", "avx512f"), False),
        (X86.format("not_bf16", "not_bf16"), False),
        (ARM.format("bf16"), True),
        (ARM.format("asimdhp"), False),
        ("processor\t: 0\n", None),
    ],
)
def test_instructions_for_bfloat16_are_read(tmp_path, monkeypatch, text, found):
    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
    assert cpu.multiplies_bfloat16() is None
    cpu.CPU_INFO.write_text(text)
    assert cpu.multiplies_bfloat16() is found
