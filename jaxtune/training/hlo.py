"""Reads XLA's optimised HLO, as `compiled.as_text()` prints it: what is run, how often, on what.

Only what the model of `jaxtune.training.roofline` needs. Sizes are in bytes, products in FLOP.
"""

import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

WIDTHS = {
    **{"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "s64": 8, "u64": 8},
    **{"bf16": 2, "f16": 2, "f32": 4, "f64": 8},
}
SHAPE = re.compile(r"\b([a-z]+[0-9]*)\[([0-9,]*)\](\{[^{}]*\})?")
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*)$")
# Of instructions that XLA made to compute an array again, for want of memory. A single number, such
# as a comparison of the loop's counter, frees nothing and as a rule costs nothing.
RECOMPUTED = re.compile(
    r"^\s+(?:ROOT )?%[\w.\-]*\.remat[\w.\-]* = (?![a-z0-9]+\[\](?:\{[^{}]*\})? )", re.MULTILINE
)
COLLECTIVE = re.compile(r" (?:all-|collective-|reduce-scatter|ragged-all)[a-z\-]*\(")
# Operations that read of their first operand no more than they give.
SLICES = ("slice", "dynamic-slice", "gather")


class Shape(NamedTuple):
    """One array of a type."""

    kind: str
    dims: tuple[int, ...]
    off_chip: bool  # in the device's memory, and not, as S(1) is on a TPU, beside the units

    @property
    def size(self) -> int:
        """Bytes, wherever it lies."""
        return WIDTHS[self.kind] * math.prod(self.dims)


@functools.lru_cache(maxsize=4096)
def shapes(text: str) -> tuple[Shape, ...]:
    """The arrays of a type, of a tuple all of them."""
    return tuple(
        Shape(kind, tuple(int(n) for n in dims.split(",") if n), "S(" not in layout)
        for kind, dims, layout in SHAPE.findall(text)
        if kind in WIDTHS
    )


def num_bytes(text: str) -> int:
    """Bytes of a type that lie in the device's memory."""
    return sum(shape.size for shape in shapes(text) if shape.off_chip)


class Instruction(NamedTuple):
    """One line of a computation: `%name = type opcode(operands), attributes`."""

    name: str
    type: str
    opcode: str
    text: str  # from the operands on

    @property
    def operands(self) -> list[str]:
        """Names, in order."""
        return re.findall(r"%([\w.\-]+)", self.text[: self.text.index(")")])

    @property
    def where(self) -> str:
        """The place in the program that it comes from."""
        found = re.search(r'op_name="([^"]*)"', self.text)
        return found[1] if found else ""

    def attribute(self, name: str) -> str | None:
        """The value of `name=value`, without braces."""
        found = re.search(rf"\b{name}=(?:\{{([^{{}}]*)\}}|([^,\s]+))", self.text)
        return None if found is None else found[1] if found[1] is not None else found[2]

    def called(self, name: str) -> list[str]:
        """The computations that an attribute names."""
        value = self.attribute(name) or ""
        return [part.strip().lstrip("%") for part in value.split(",") if part.strip()]


Computation = Mapping[str, Instruction]


class Module:
    """The computations of a program, by name."""

    def __init__(self, text: str):
        self.computations: dict[str, dict[str, Instruction]] = {}
        self.entry = ""
        current: dict[str, Instruction] = {}
        for line in text.splitlines():
            if head := COMPUTATION.match(line):
                current = self.computations.setdefault(head[2], {})
                self.entry = head[2] if head[1] else self.entry
            elif row := INSTRUCTION.match(line):
                current[row[1]] = _instruction(row[1], row[2])

    def products(self, computation: str) -> dict[str, float]:
        """FLOP of the products of a computation and of what it calls, by precision."""
        total: dict[str, float] = {}
        rows = self.computations[computation]
        for row in rows.values():
            for precision, flop in self.products_of(rows, row).items():
                total[precision] = total.get(precision, 0.0) + flop
        return total

    def products_of(self, rows: Computation, row: Instruction) -> dict[str, float]:
        """FLOP of one instruction of a computation, by precision."""
        if row.opcode in ("dot", "convolution"):
            flop = _dot_flop(rows, row) if row.opcode == "dot" else _convolution_flop(rows, row)
            return {_precision(rows, row): flop}
        if row.opcode == "custom-call" and row.where.endswith("/pallas_call"):
            return _attention_flop(rows, row)
        called = [name for name in row.called("calls") if name in self.computations]
        return self.products(called[0]) if called else {}

    def bytes_of(self, rows: Computation, row: Instruction) -> int:
        """Bytes that a kernel reads and writes in the device's memory.

        An operand that is only sliced counts as its slices; one that is updated in place as what is
        written.
        """
        if row.opcode.endswith("-start"):  # a copy to or from the chip, beside other work
            return shapes(row.type)[-2].size if len(shapes(row.type)) > 1 else 0
        written = num_bytes(row.type)
        read = 0
        for place, operand in enumerate(row.operands):
            if operand not in rows:
                continue
            size = num_bytes(rows[operand].type)
            more, less = self._read(rows, row, place, size) if size else (0, 0)
            read, written = read + more, written - less
        return read + max(written, 0)

    def _read(self, rows: Computation, row: Instruction, place: int, size: int) -> tuple[int, int]:
        """Bytes read of an operand, and bytes of the result that are not written for its sake."""
        if row.opcode in SLICES and place == 0:
            return min(size, sum(shape.size for shape in shapes(row.type))), 0
        if row.opcode == "dynamic-update-slice" and place == 0:
            update = sum(shape.size for shape in shapes(rows[row.operands[1]].type))
            return 0, max(size - update, 0)
        called = [name for name in row.called("calls") if name in self.computations]
        if not called:
            return size, 0
        inner = self.computations[called[0]]
        parameter = next(
            (r.name for r in inner.values() if r.opcode == "parameter" and _number(r) == place), ""
        )
        parts = [
            self._read(inner, user, at, size) for user, at in _uses(inner, parameter) if parameter
        ]
        # Read whole by one user, the others have it at hand.
        return min(size, sum(more for more, _ in parts)), sum(less for _, less in parts)

    def trips(self, row: Instruction) -> int | None:
        """How often a loop runs; None where only the arguments say."""
        known = re.search(r'known_trip_count[^0-9]*"?([0-9]+)', row.text)
        if known:
            return int(known[1])
        condition = self.computations[row.called("condition")[0]]
        last = list(condition.values())[-1]
        bound = [condition[name] for name in last.operands if name in condition][-1:]
        if last.opcode == "compare" and bound and bound[0].opcode == "constant":
            return int(re.findall(r"-?[0-9]+", bound[0].text)[0])
        return None


def recomputed(text: str) -> int:
    """Arrays that XLA computes again because the program did not fit in the device's memory."""
    return len(RECOMPUTED.findall(text))


def collectives(text: str) -> int:
    """Instructions through which devices exchange values."""
    return len(COLLECTIVE.findall(text))


def _instruction(name: str, text: str) -> Instruction:
    """A line's parts; a type that is a tuple holds brackets of its own."""
    end = text.index(" ")
    if text.startswith("("):
        depths = itertools.accumulate((letter == "(") - (letter == ")") for letter in text)
        end = 1 + next(place for place, depth in enumerate(depths) if depth == 0)
    kind, rest = text[:end], text[end:].lstrip()
    opcode, _, operands = rest.partition("(")
    return Instruction(name, kind, opcode, operands)


def _number(parameter: Instruction) -> int:
    return int(parameter.text[: parameter.text.index(")")])


def _uses(rows: Computation, name: str) -> Iterator[tuple[Instruction, int]]:
    """Who reads a value, and as which operand; through what gives it another name only."""
    for row in rows.values():
        for place, operand in enumerate(row.operands):
            if operand == name:
                # A TPU's fusions take "copies" that are their operand in place.
                in_place = f"output_to_operand_aliasing={{{{}}: ({place}, {{}})}}"
                if row.opcode == "bitcast" or in_place in row.text:
                    yield from _uses(rows, row.name)
                else:
                    yield row, place


def _precision(rows: Computation, row: Instruction) -> str:
    """The arithmetic of a product: float32 in full only where it is asked for."""
    kind = shapes(rows[row.operands[0]].type)[0].kind
    if kind != "f32":
        return "bfloat16"
    return "float32" if "highest" in (row.attribute("operand_precision") or "") else "tensorfloat32"


def _dot_flop(rows: Computation, row: Instruction) -> float:
    left = shapes(rows[row.operands[0]].type)[0].dims
    axes = (row.attribute("lhs_contracting_dims") or "").split(",")
    contracted = math.prod(left[int(axis)] for axis in axes if axis)
    return 2.0 * math.prod(shapes(row.type)[0].dims) * contracted


def _attention_flop(rows: Computation, row: Instruction) -> dict[str, float]:
    """Of the kernel of jaxtune.models.attention, which is the only one: its text is machine code.

    It multiplies within rows [.., slot, 3, hidden], forwards two times, and backwards, where it
    takes a gradient too, five times.
    """
    projected = shapes(rows[row.operands[2]].type)[0]
    *stacked, slots, _, hidden = projected.dims
    products = 5 if len(row.operands) > 3 else 2
    flop = products * 2.0 * math.prod(stacked) * slots**2 * hidden
    return {"float32" if projected.kind == "f32" else "bfloat16": flop}


def _convolution_flop(rows: Computation, row: Instruction) -> float:
    """A TPU's products are convolutions, their batch axes windows that meet once."""
    result = shapes(row.type)[0].dims
    left, right = (shapes(rows[name].type)[0].dims for name in row.operands[:2])
    labels = re.split(r"_|->", row.attribute("dim_labels") or "")
    flop = 2.0 * math.prod(result) * right[labels[1].index("i")]
    window = {
        name: value.split("x")
        for name, value in re.findall(r"(\w+)=([\d_x\-]+)", row.attribute("window") or "")
    }
    for axis in range(len(window.get("size", []))):
        sizes = (
            side[label.index(str(axis))] for side, label in ((left, labels[0]), (result, labels[2]))
        )
        flop *= _meetings({name: values[axis] for name, values in window.items()}, *sizes)
    return flop


def _meetings(window: Mapping[str, str], size_in: int, size_out: int) -> float:
    """Places of a window that meet an input and no padding, per output, along one axis."""
    stride, dilation, spread = (
        int(window.get(name, "1")) for name in ("stride", "lhs_dilate", "rhs_dilate")
    )
    before = int(window.get("pad", "0_0").split("_")[0])
    outputs, taps = np.arange(size_out)[:, None], np.arange(int(window["size"]))
    place = outputs * stride + taps * spread - before
    meets = (place >= 0) & (place <= (size_in - 1) * dilation) & (place % dilation == 0)
    return float(meets.sum() / size_out)
