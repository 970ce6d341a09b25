"""Values out of a pickle without running it: plain containers, text, numbers, and NumPy arrays of plain numbers.

A pickle is a program for a small stack machine. This one knows only the opcodes that build containers and the few calls
that NumPy writes for its own arrays, dtypes and scalars, and does those itself: no name is ever looked up, nothing is
imported, and every array is a view of bytes that are in the pickle. Everything else is refused by name. Used where a
format of others leaves no choice. Leaves out sets, objects, shared references between dict keys and such.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError

_MAX_STEPS = 500_000  # opcodes: 210 recordings of 32 points take 7,000, and so many a quarter of a second
_DTYPE = re.compile(r"[iuf][1248]|b1|[OSU]\d{1,4}")
_MARK = object()
_KEYS = (str, bytes, int, bool, float, type(None))
_CALLS = {
    "_codecs encode": "encode", "__builtin__ bytes": "bytes", "builtins bytes": "bytes", "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    **{f"numpy.{core}.multiarray {name}": name for core in ("core", "_core") for name in ("_reconstruct", "scalar")},
    **{f"numpy.{core}.numeric _frombuffer": "_frombuffer" for core in ("core", "_core")},
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip


class _Name:
    """A callable that the pickle named, one of those in _CALLS."""

    def __init__(self, call: str) -> None:
        self.call = call


class _Unbuilt:
    """An array or dtype that has been announced and waits for its state."""

    def __init__(self, text: str | None = None) -> None:
        self.text, self.slots = text, set[int]()


def unpickle(data: bytes, what: str) -> Any:
    """The value in a pickle. Arrays come out as read-only arrays, object arrays as the flat list of their items.

    what: names the pickle in errors. Raises InputError if it is cut short, holds anything but the types above, or has
    more than 500,000 steps.
    """
    try:
        return _Machine(what).run(data)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, struct.error) as error:
        raise InputError(f"{what} is no whole pickle ({error}); the file is cut short or damaged") from error


class _Machine:
    def __init__(self, what: str) -> None:
        self.what = what
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.budget = 0

    def run(self, data: bytes) -> Any:
        self.budget = 3 * len(data)
        for step, (opcode, argument, at) in enumerate(pickletools.genops(data)):
            if step >= _MAX_STEPS:
                raise InputError(f"{self.what} takes more than {_MAX_STEPS} steps; it is no pose data")
            if opcode.name == "STOP":
                if len(self.stack) != 1 or self.stack[0] is _MARK or isinstance(self.stack[0], (_Name, _Unbuilt)):
                    raise ValueError("it does not end in one value")
                return self.stack[0]
            self._step(opcode.name, argument, at or 0)
        raise InputError(f"{self.what} ends early; the file is cut short")

    def _step(self, name: str, argument: Any, at: int) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise InputError(f"{self.what} has the step {name} at byte {at}, which plain data do not need; refused")

    def _pop_to_mark(self) -> list[Any]:
        at = next((i for i in reversed(range(len(self.stack))) if self.stack[i] is _MARK), None)
        if at is None:
            raise ValueError("a mark is missing")
        return self._pop(len(self.stack) - at)[1:]

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError(f"items for a {type(target).__name__}, not a list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError(f"entries for a {type(target).__name__}, not a dict")
        target.update(_build_dict(items))

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]
        if isinstance(self.stack[-1], _Unbuilt):
            self.stack[-1].slots.add(index)

    def name(self, text: str) -> None:
        if text not in _CALLS:
            raise InputError(f"{self.what} asks for {text.replace(' ', '.')[:80]!r}; only plain data are read, refused")
        self.stack.append(_Name(_CALLS[text]))

    def reduce(self) -> None:
        name, arguments = self._pop(2)
        if not isinstance(name, _Name) or type(arguments) is not tuple or name.call not in _REDUCE:
            raise TypeError("a call of something that is no function")
        self._charge_budget(arguments)
        self.stack.append(_REDUCE[name.call](*arguments))

    def build(self) -> None:
        """The finished value takes the place of the announced one, on the stack and in the memo."""
        unbuilt, state = self._pop(2)
        if not isinstance(unbuilt, _Unbuilt) or type(state) is not tuple:
            raise TypeError(f"a state for a {type(unbuilt).__name__}")
        self._charge_budget(state)
        value = _build_array(*state[-4:]) if unbuilt.text is None else _build_dtype(unbuilt.text, *state[1:5])
        self.stack.append(value)
        self.memo.update(dict.fromkeys(unbuilt.slots, value))

    def _charge_budget(self, arguments: tuple[Any, ...]) -> None:
        """Text and bytes may be used as often as honest pickles use them, not copied at will from the memo."""
        self.budget -= sum(len(item) for item in arguments if isinstance(item, (str, bytes)))
        if self.budget < 0:
            raise InputError(f"{self.what} makes more data than it holds; it is no pose data")


def _build_dict(items: list[Any]) -> dict[Any, Any]:
    keys = items[::2]
    if len(items) % 2 or not all(type(key) in _KEYS for key in keys):
        raise TypeError("a dict has a key that is neither text nor a number")
    return dict(zip(keys, items[1::2], strict=True))


def _encode_bytes(value: Any) -> Any:
    """Python 2 wrote bytes as text of the same codes."""
    return value.encode("latin1") if isinstance(value, str) else value


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1" or type(text) is not str:
        raise TypeError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _announce_array(kind: Any, shape: Any, code: Any) -> _Unbuilt:
    if not isinstance(kind, _Name) or kind.call != "ndarray":
        raise TypeError("an array that is no plain ndarray")
    return _Unbuilt()


def _announce_dtype(text: Any, *_: Any) -> _Unbuilt:
    text = text.decode("latin1") if isinstance(text, bytes) else text
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise TypeError(f"values of type {text!r:.40}")
    return _Unbuilt(text)


def _build_dtype(text: str, order: Any, *parts: Any) -> np.dtype[Any]:
    order = order.decode("latin1") if isinstance(order, bytes) else order
    if order not in ("<", ">", "|", "=") or any(part is not None for part in parts):
        raise TypeError(f"values of a structured {text}")
    return np.dtype(text if text[0] == "O" else order + text)


def _build_array(shape: Any, dtype: Any, fortran: Any, data: Any) -> NDArray[Any] | list[Any]:
    """An array from its state. Sizes are those of the data that are there."""
    if not isinstance(dtype, np.dtype):
        raise TypeError("an array without a dtype")
    count = _count(shape)
    if dtype.hasobject:
        if type(data) is not list or len(data) != count:
            raise ValueError(f"an array of shape {shape!r:.80} with other items than that")
        return data
    return _view(_encode_bytes(data), dtype, shape, "F" if fortran else "C")


def _count(shape: Any) -> int:
    if type(shape) is not tuple or len(shape) > 32 or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise ValueError(f"an array of shape {shape!r:.80}")
    return math.prod(shape)


def _view(data: Any, dtype: np.dtype[Any], shape: Any, order: Any) -> NDArray[Any]:
    if not isinstance(data, (bytes, bytearray)) or len(data) != _count(shape) * dtype.itemsize or order not in "CF":
        raise ValueError(f"an array of shape {shape!r:.80} and type {dtype} with other bytes than that")
    if not data:
        return np.zeros(shape, dtype)
    array: NDArray[Any] = np.frombuffer(data, dtype).reshape(shape, order=order)
    array.flags.writeable = False
    return array


def _read_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    if not isinstance(dtype, np.dtype) or dtype.hasobject or axes is not None:
        raise TypeError("an array of no plain layout")
    return _view(data, dtype, shape, order)


def _build_scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise TypeError("a number without a dtype")
    return _view(_encode_bytes(data), dtype, (), "C").item()


_REDUCE: dict[str, Callable[..., Any]] = {
    "bytes": lambda: b"",  # old protocols write empty bytes as a call without arguments
    "encode": _encode, "_reconstruct": _announce_array, "dtype": _announce_dtype, "scalar": _build_scalar,
    "_frombuffer": _read_buffer,
}  # fmt: skip
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda m, _: m.stack.append(_MARK),
    "POP": lambda m, _: m._pop(1).clear(),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "LIST": lambda m, _: m.stack.append(m._pop_to_mark()),
    "DICT": lambda m, _: m.stack.append(_build_dict(m._pop_to_mark())),
    "TUPLE": lambda m, _: m.stack.append(tuple(m._pop_to_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m._pop(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m._pop(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m._pop(3))),
    "APPEND": lambda m, _: m.append(m._pop(1)),
    "APPENDS": lambda m, _: m.append(m._pop_to_mark()),
    "SETITEM": lambda m, _: m.set_items(m._pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m._pop_to_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, index: m.put(index)),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, index: m.stack.append(m.memo[index])),
    "GLOBAL": lambda m, text: m.name(text),
    "STACK_GLOBAL": lambda m, _: m.name("{} {}".format(*m._pop(2))),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
}
