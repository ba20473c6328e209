"""Known accelerators: the facts that a program is compiled and judged by where there is none.

Facts only, each with its source; what a program makes of them is a model
(`jaxtune.training.roofline`). Rates are the published peaks of dense products.
"""

import dataclasses
from typing import Literal

from jaxtune.core.errors import UserError
from jaxtune.core.fields import suggestion

GIB = 2**30

# Of the published peaks, what large products and long copies reach: 790 of 989 TFLOP/s and 4.3 of
# 4.8 TB/s are what an H200 was seen to do. Taken for every device, measured on none of the others.
MATRIX_SHARE = 0.8
BANDWIDTH_SHARE = 0.9

# JAX's allocator takes its share of a GPU when it starts, by itself 75% of it. 5% are left for
# what lies outside of it: CUDA's context, the code of kernels, work space of its libraries.
GPU_SHARE = 0.95


@dataclasses.dataclass(frozen=True)
class Multiprocessor:
    """What XLA's NVIDIA compiler asks of a card beside its memory; units as in CUDA's
    `cudaDeviceProp`: bytes, threads, GHz.
    """

    capability: tuple[int, int]
    count: int
    shared_memory: int
    shared_memory_optin: int
    threads: int
    lanes: int  # float32 units each
    l2: int
    clock: float


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One GPU, or one chip of a TPU."""

    name: str  # as `--device` takes it
    title: str
    memory: int  # bytes that a process can have
    bandwidth: float  # bytes per second
    bfloat16: float  # FLOP per second of products in bfloat16
    tensorfloat32: float  # of float32 products at the default precision: TF32, bfloat16 on TPUs
    float32: float  # of float32 products at full precision
    source: str
    multiprocessor: Multiprocessor | None = None  # of an NVIDIA card
    topology: str | None = None  # of a TPU: the name of the smallest that libtpu describes

    @property
    def platform(self) -> Literal["cuda", "tpu"]:
        """Whose compiler it takes."""
        return "tpu" if self.multiprocessor is None else "cuda"

    @property
    def jax_memory(self) -> float:
        """Bytes that JAX has: of a GPU the share that jaxtune gives it, of a TPU's chip all."""
        return self.memory * (GPU_SHARE if self.platform == "cuda" else 1.0)

    def matrix_rate(self, precision: str) -> float:
        """FLOP per second that products reach, by `bfloat16`, `tensorfloat32` or `float32`."""
        return MATRIX_SHARE * getattr(self, precision)

    @property
    def memory_rate(self) -> float:
        """Bytes per second that kernels reach."""
        return BANDWIDTH_SHARE * self.bandwidth

    @property
    def target_config(self) -> str:
        """XLA's GpuTargetConfigProto, as text, from the facts."""
        chip = self.multiprocessor
        assert chip is not None
        major, minor = chip.capability
        facts = (
            "threads_per_block_limit: 1024",
            "threads_per_warp: 32",
            f"shared_memory_per_block: {48 * 1024}",
            f"shared_memory_per_core: {chip.shared_memory}",
            f"threads_per_core_limit: {chip.threads}",
            f"core_count: {chip.count}",
            f"fpus_per_core: {chip.lanes}",
            f"block_dim_limit_x: {2**31 - 1}",
            "block_dim_limit_y: 65535",
            "block_dim_limit_z: 65535",
            f"memory_bandwidth: {int(self.bandwidth)}",
            f"l2_cache_size: {chip.l2}",
            f"clock_rate_ghz: {chip.clock}",
            f"device_memory_size: {self.memory}",
            f"shared_memory_per_block_optin: {chip.shared_memory_optin}",
            f"cuda_compute_capability {{ major: {major} minor: {minor} }}",
            "registers_per_core_limit: 65536",
            "registers_per_block_limit: 65536",
        )
        device = "\n".join(f"  {fact}" for fact in facts)
        # Without a CUDA version XLA takes an old one, and rewrites products otherwise than on the
        # card.
        return (
            f"gpu_device_info {{\n{device}\n}}\n"
            'platform_name: "CUDA"\n'
            "dnn_version_info { major: 9 minor: 8 patch: 0 }\n"
            "runtime_version { major: 12 minor: 8 patch: 0 }\n"
            f'device_description_str: "{self.title}"\n'
        )


_AMPERE = Multiprocessor((8, 0), 108, 164 * 1024, 163 * 1024, 2048, 64, 40 * 2**20, 1.41)
_ADA = Multiprocessor((8, 9), 58, 100 * 1024, 99 * 1024, 1536, 128, 48 * 2**20, 2.04)
_HOPPER = Multiprocessor((9, 0), 132, 228 * 1024, 227 * 1024, 2048, 128, 50 * 2**20, 1.98)

_TPU = "https://cloud.google.com/tpu/docs/"


def _tpu(name: str, memory: float, bandwidth: float, bfloat16: float, topology: str) -> Accelerator:
    """A TPU chip, from its page; products of float32 in full take six passes of bfloat16."""
    return Accelerator(
        name=name,
        title=f"TPU {name}, one chip",
        memory=int(memory * GIB),  # as libtpu names it where a program does not fit
        bandwidth=bandwidth,
        bfloat16=bfloat16,
        tensorfloat32=bfloat16,
        float32=bfloat16 / 6,
        source=_TPU + name,
        topology=topology,
    )


_H100 = Accelerator(
    name="h100",
    title="NVIDIA H100 80GB HBM3",
    memory=84_942_979_072,
    bandwidth=3.352e12,
    bfloat16=989.4e12,
    tensorfloat32=494.7e12,
    float32=66.9e12,
    source="NVIDIA H100 datasheet (SXM5)",
    multiprocessor=_HOPPER,
)
_A100 = Accelerator(
    name="a100",
    title="NVIDIA A100-SXM4-80GB",
    memory=85_100_068_864,
    bandwidth=2.039e12,
    bfloat16=312e12,
    tensorfloat32=156e12,
    float32=19.5e12,
    source="NVIDIA A100 datasheet (SXM, 80 GB)",
    multiprocessor=_AMPERE,
)
# The same chips with other memory.
_H200 = dataclasses.replace(
    _H100,
    name="h200",
    title="NVIDIA H200 141GB HBM3e",
    memory=150_000_000_000,  # about 139.7 GiB
    bandwidth=4.8e12,
    source="NVIDIA H200 datasheet (SXM)",
)
_A100_40GB = dataclasses.replace(
    _A100,
    name="a100_40gb",
    title="NVIDIA A100-SXM4-40GB",
    memory=42_298_834_944,
    bandwidth=1.555e12,
    source="NVIDIA A100 datasheet (SXM, 40 GB)",
)
_L4 = Accelerator(
    name="l4",
    title="NVIDIA L4",
    memory=23_583_784_960,  # as CUDA's deviceQuery counts it
    bandwidth=0.3e12,
    bfloat16=121e12,
    tensorfloat32=60e12,
    float32=30.3e12,
    source="NVIDIA L4 datasheet (its rates are with sparsity, these are half of them)",
    multiprocessor=_ADA,
)

ACCELERATORS = (
    *(_H100, _H200, _A100, _A100_40GB, _L4),
    _tpu("v5e", 15.75, 0.819e12, 197e12, "v5e:2x2"),
    _tpu("v5p", 95.74, 2.765e12, 459e12, "v5p:2x2x1"),
    _tpu("v6e", 31.25, 1.638e12, 918e12, "v6e:2x2"),
)
NAMES = tuple(device.name for device in ACCELERATORS)


def accelerator(name: str) -> Accelerator:
    """The known accelerator of this name; raises UserError for another."""
    for device in ACCELERATORS:
        if device.name == name:
            return device
    raise UserError(f"The device {name!r} is unknown; {suggestion(name.lower(), NAMES)}")
