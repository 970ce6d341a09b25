"""The parent's side of `hdf5_child`: starts it for a file, asks it, and says what became of it.

A process that crashes, works too long or takes too much memory is an InputError, and this one stays whole. What comes back
is bounded: a reply by the size of the file, an array by the size that was found before. Knows nothing of what is asked.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib.format import descr_to_dtype
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, name_install
from posecodec.memory import get_memory_limit

_SCRIPT = Path(__file__).with_name("hdf5_child.py")
_SECONDS_TO_START = 60  # on a slow disk, with a scanner of viruses; half a second is usual
_SECONDS_TO_WORK, _BYTES_A_SECOND = (
    10,
    1 << 20,
)  # of processor time that reading may take: in all, and for each of the file
_PATIENCE = (
    6  # seconds that may pass for each of these: others use the machine too, and some systems have no such limit
)
_BYTES_TO_WORK, _WORK_PER_BYTE = (
    64 << 20,
    48,
)  # memory that reading may take, likewise: a data set, and a chunk as large
_REPLY_FREE, _REPLY_PER_BYTE = 1 << 20, 8  # bytes of a reply: names, of which JSON makes six where they are not ASCII
_REQUESTS_FREE = (
    3000  # and one for every so many bytes: a member takes 80 and is asked for thrice; one in itself has no end
)
_BYTES_A_REQUEST = 16
_MAX_REPLY = 64 << 20  # names of a million variables
_DAMAGED = "the file is cut short or damaged, or no HDF5 that this version of h5py reads; export it again"


class HDF5Process:
    """A file in a process of its own. Raises UsageError without h5py, InputError where HDF5 cannot open the file.

    size: its bytes. held: bytes of arrays that were read so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.held = 0
        self._requests = 0
        self._has_started = self._is_late = False
        self._timer = threading.Timer(0, lambda: None)
        self._process = _start()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> HDF5Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # of what was not sent yet when it died
                    stream.close()

    def ask(self, what: str, names: Sequence[str], attribute: str = "") -> dict[str, Any]:
        """The reply to a request about what has such names, from the root on."""
        self._requests += 1
        if self._requests > _REQUESTS_FREE + self.size // _BYTES_A_REQUEST:
            raise InputError(f"the HDF5 file has more members than its {self.size} bytes can hold; {_DAMAGED}")
        return self._send({"do": what, "names": names, "attribute": attribute})

    def read(self, what: str, names: Sequence[str], attribute: str = "", *, size: int) -> NDArray[Any]:
        """As `ask`, where the reply is an array, of at most so many bytes."""
        reply = self.ask(what, names, attribute)
        dtype, shape, stated = unpack_dtype(reply.get("dtype")), reply.get("shape"), reply.get("bytes")
        if dtype.hasobject or not isinstance(shape, list) or not isinstance(stated, int) or not 0 <= stated <= size:
            raise self._explain_end()
        data = bytearray(stated)
        at = 0
        while at < stated:
            count = self._output.readinto(memoryview(data)[at:])
            if not count:
                raise self._explain_end()
            at += count
        self.held += stated
        try:
            return np.frombuffer(data, dtype).reshape(shape) if stated else np.zeros(shape, dtype)
        except (MemoryError, TypeError, ValueError) as error:
            raise self._explain_end() from error

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _open(self) -> None:
        seconds = _SECONDS_TO_WORK + self.size // _BYTES_A_SECOND
        memory = min(_BYTES_TO_WORK + _WORK_PER_BYTE * self.size, get_memory_limit())
        request = {"modules": [p for p in sys.path if p], "path": os.fspath(self.path), "memory": memory}
        self._set_timer(_SECONDS_TO_START)
        self._send({**request, "seconds": seconds})
        self._has_started = True
        self._set_timer(_PATIENCE * seconds)
        self._receive()

    def _set_timer(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        self._is_late = True
        self._process.kill()

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._explain_end() from error
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        most = min(_REPLY_FREE + _REPLY_PER_BYTE * self.size, _MAX_REPLY)
        try:
            line = self._output.readline(most)
            reply = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError, RecursionError) as error:
            raise self._explain_end() from error
        if not isinstance(reply, dict):
            raise self._explain_end()
        if "missing" in reply:
            raise UsageError(
                f"reading HDF5 needs h5py, which cannot be loaded ({reply['missing']:.200}); install it again"
            )
        if "fault" in reply:
            raise InputError(f"HDF5 cannot read it ({reply['fault']:.300}); {_DAMAGED}")
        return reply

    def _explain_end(self) -> InputError | UsageError:
        """What became of a process that does not answer, or not with what can be."""
        self._process.kill()
        code = self._process.wait()
        if self._is_late or -code == getattr(signal, "SIGXCPU", None):
            return InputError(f"HDF5 took too long over it and was stopped; {_DAMAGED}")
        if not self._has_started:
            return UsageError(
                f"HDF5 is read by {sys.executable}, which ended at once (exit status {code}); install it again"
            )
        return InputError(f"HDF5 broke off while reading it (exit status {code}); {_DAMAGED}")


def unpack_dtype(told: Any) -> np.dtype[Any]:
    """A dtype from JSON of NumPy's description. Raises InputError where it is none."""
    try:
        return np.dtype(descr_to_dtype(_restore_tuples(told if isinstance(told, list) else str(told))))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"an HDF5 data set has a type that NumPy does not know; {_DAMAGED}") from error


def _restore_tuples(told: Any) -> Any:
    """JSON has lists for the tuples in which NumPy describes a field: name, type, shape."""
    if not isinstance(told, list):
        return told
    return [
        (tuple(field[0]) if isinstance(field[0], list) else field[0], _restore_tuples(field[1]), *map(tuple, field[2:]))
        for field in told
    ]


def _start() -> subprocess.Popen[bytes]:
    """A bare Python: nothing of the user's environment or of the current folder changes what it imports."""
    if importlib.util.find_spec("h5py") is None:
        raise UsageError(f"reading HDF5 needs h5py; {name_install('h5')}")
    if not sys.executable or getattr(sys, "frozen", False):
        raise UsageError("HDF5 is read by a Python of its own, and this program has none; use the posecodec command")
    try:
        return subprocess.Popen(
            [sys.executable, "-I", os.fspath(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
    except OSError as error:
        raise UsageError(f"HDF5 is read by a Python of its own, which cannot be started ({error.strerror})") from error
