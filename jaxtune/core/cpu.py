"""What this machine's processor can do."""

import re
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Of x86, by its two kinds of units, and of ARM.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def multiplies_bfloat16() -> bool | None:
    """Whether it has instructions for products of bfloat16 numbers; None where that is not said,
    which is anywhere but on Linux.
    """
    if not CPU_INFO.exists():
        return None
    listed = re.findall(r"^(?:flags|Features)\s*:(.*)$", CPU_INFO.read_text(), re.MULTILINE)
    if not listed:
        return None
    return not set(BFLOAT16_INSTRUCTIONS).isdisjoint(listed[0].split())
