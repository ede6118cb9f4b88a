"""Writing loops over vectors of float32, and compiling them with LLVM for this processor.

numba would compile the same loops from Python, but it leaves to LLVM which numbers stay in
registers, and takes seconds where this takes a tenth of one.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from functools import cache
from math import gcd
from typing import Any, NamedTuple, TypeAlias

import llvmlite.binding as llvm
import torch
from llvmlite import ir
from torch import Tensor

FLOAT_BYTES = 4
INT_BYTES = 8
SHORT_BYTES = 4

_INT = ir.IntType(64)
_FLOAT = ir.FloatType()
_POINTER = ir.PointerType()

Value: TypeAlias = ir.Value
Values: TypeAlias = list[ir.Value]


class Processor(NamedTuple):
    """What decides how loops are best written.

    Attributes
    ----------
    lanes
        Numbers of a vector.
    registers
        Vectors that it holds.
    """

    lanes: int
    registers: int


@cache
def processor() -> Processor:
    """Return what this processor has."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return Processor(lanes=16, registers=32)
    if features.get("avx"):
        return Processor(lanes=8, registers=16)
    is_arm = platform.machine().lower() in {"aarch64", "arm64"}
    return Processor(lanes=4, registers=32 if is_arm else 16)


def common_lanes(numbers: int) -> int:
    """Return how wide vectors may be of which whole ones make up so many numbers."""
    return gcd(numbers, processor().lanes)


def address(values: Tensor, dtype: torch.dtype = torch.float32) -> int:
    """Return where numbers lie, for a function that trusts its caller.

    Raises
    ------
    ValueError
        Where they are of another type, have gaps between them or lie on another device.
    """
    if values.dtype != dtype or not values.is_contiguous() or values.device.type != "cpu":
        raise ValueError(
            f"a kernel reads contiguous {dtype} on the processor, not {values.dtype} on "
            f"{values.device} with strides {values.stride()}"
        )
    return values.data_ptr()


class Kernel(NamedTuple):
    """A compiled function. Others use Python's lock while it runs.

    Attributes
    ----------
    engine
        What its memory belongs to.
    function
        Of addresses and counts.
    """

    engine: llvm.ExecutionEngine
    function: Callable[..., None]

    def __call__(self, *arguments: int) -> None:
        self.function(*arguments)


class VectorCode:
    """One function, written instruction by instruction. Addresses and counts are int64.

    Parameters
    ----------
    lanes
        Numbers of its vectors.
    n_arguments
        How many addresses and counts it takes; it returns nothing.
    """

    def __init__(self, lanes: int, n_arguments: int) -> None:
        self.lanes = lanes
        self.vector = ir.VectorType(_FLOAT, lanes)
        self._module = ir.Module()
        self._module.triple = llvm.get_process_triple()
        kind = ir.FunctionType(ir.VoidType(), [_INT] * n_arguments)
        self._function = ir.Function(self._module, kind, "kernel")
        self._builder = ir.IRBuilder(self._function.append_basic_block())
        operation = ir.FunctionType(self.vector, [self.vector] * 3)
        self._multiply_add = self._declared(f"llvm.fmuladd.v{lanes}f32", operation)

    @property
    def arguments(self) -> tuple[Value, ...]:
        """What the function is called with."""
        return tuple(self._function.args)

    def integer(self, value: int | Value) -> Value:
        """Return an int64, which may be one already."""
        return ir.Constant(_INT, value) if isinstance(value, int) else value

    def smaller(self, one: Value, other: int) -> Value:
        """Return the smaller of two integers."""
        limit = self.integer(other)
        return self._builder.select(self._builder.icmp_signed("<", one, limit), one, limit)

    def at(self, base: Value, *steps: tuple[int | Value, int]) -> Value:
        """Return an address or a sum: `base` and each number of steps times its length."""
        for count, length in steps:
            step = self._builder.mul(self.integer(count), self.integer(length))
            base = self._builder.add(base, step)
        return base

    def load(self, address: Value) -> Value:
        """Return the vector at an address."""
        return self._load(address, self.vector, FLOAT_BYTES)

    def load_integer(self, address: Value) -> Value:
        """Return the int64 at an address."""
        return self._load(address, _INT, INT_BYTES)

    def load_short(self, address: Value) -> Value:
        """Return the int32 at an address, as an int64."""
        return self._builder.sext(self._load(address, ir.IntType(32), SHORT_BYTES), _INT)

    def broadcast(self, address: Value) -> Value:
        """Return a vector of one float, that at an address."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        places = ir.VectorType(ir.IntType(32), self.lanes)
        number = self._load(address, _FLOAT, FLOAT_BYTES)
        one = self._builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self._builder.shuffle_vector(one, undefined, ir.Constant(places, [0] * self.lanes))

    def store(self, vector: Value, address: Value) -> None:
        """Write a vector to an address."""
        self._builder.store(vector, self._pointer(address), align=FLOAT_BYTES)

    def store_largest(self, vector: Value, address: Value) -> None:
        """Write the largest number of a vector to an address."""
        kind = ir.FunctionType(_FLOAT, [self.vector])
        largest = self._declared(f"llvm.vector.reduce.fmax.v{self.lanes}f32", kind)
        number = self._builder.call(largest, [vector], fastmath=("nnan",))
        self._builder.store(number, self._pointer(address), align=FLOAT_BYTES)

    def constant(self, number: float) -> Value:
        """Return a vector of one number."""
        return ir.Constant(self.vector, [number] * self.lanes)

    def multiply_add(self, left: Value, right: Value, to: Value) -> Value:
        """Return `left * right + to`."""
        return self._builder.call(self._multiply_add, [left, right, to])

    def add(self, left: Value, right: Value) -> Value:
        """Return the sum of two vectors."""
        return self._builder.fadd(left, right)

    def larger(self, left: Value, right: Value) -> Value:
        """Return the larger of two vectors, lane by lane; of a NaN and a number, either."""
        greater = self._builder.fcmp_ordered(">", left, right)
        return self._builder.select(greater, left, right)

    def repeat(
        self,
        count: int | Value,
        body: Callable[[Value, Values], Values | None],
        carried: Sequence[Value] = (),
    ) -> Values:
        """Write a loop, which runs at least once.

        Parameters
        ----------
        count
            How often.
        body
            Writes one pass, given its number and what the pass before carried over; returns what
            this one does.
        carried
            What the first pass is given.

        Returns
        -------
        What the last pass returned.
        """
        before = self._builder.block
        inside = self._function.append_basic_block()
        self._builder.branch(inside)
        self._builder.position_at_end(inside)
        number = self._builder.phi(_INT)
        given = [self._builder.phi(value.type) for value in carried]
        left = list(body(number, list(given)) or ())
        end = self._builder.block
        following = self._builder.add(number, self.integer(1))
        firsts, laters = [self.integer(0), *carried], [following, *left]
        for phi, first, later in zip([number, *given], firsts, laters, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, end)
        after = self._function.append_basic_block()
        again = self._builder.icmp_signed("<", following, self.integer(count))
        self._builder.cbranch(again, inside, after)
        self._builder.position_at_end(after)
        return left

    def compiled(self) -> Kernel:
        """End the function, and return it."""
        self._builder.ret_void()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_triple(self._module.triple)
        # A compiler ends its target machine with itself: each has one of its own.
        machine = target.create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=3,
            jit=True,
        )
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(self._module)), machine)
        engine.finalize_object()
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(self._function.args))
        function = kind(engine.get_function_address(self._function.name))
        return Kernel(engine, function)

    def _load(self, address: Value, kind: ir.Type, align: int) -> Value:
        return self._builder.load(self._pointer(address), typ=kind, align=align)

    def _pointer(self, address: Value) -> Value:
        return self._builder.inttoptr(address, _POINTER)

    def _declared(self, name: str, kind: ir.FunctionType) -> Any:
        return self._module.globals.get(name) or ir.Function(self._module, kind, name)
