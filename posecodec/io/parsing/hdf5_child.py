"""The process that HDF5 is read in: `hdf5_process` runs this file as a script, for one file, and may kill it at any time.

On some damaged files libhdf5 crashes, runs forever, takes all memory there is, or writes over its own. So it works where
that hurts nobody: with limits, and without a line of posecodec. Requests and replies are lines of JSON, by standard input
and output; the bytes of an array follow the reply that states them. Whether an array may be read is for the parent to say.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

_UNKNOWN = 1 << 29  # bytes that a process with h5py holds, where the system does not tell
_JOB_MEMORY, _JOB_LIMITS = 0x100, 9  # Windows' JOB_OBJECT_LIMIT_PROCESS_MEMORY, JobObjectExtendedLimitInformation
_MEMORY_AT = (
    14  # where, in pointers, the limit is in JOBOBJECT_EXTENDED_LIMIT_INFORMATION of 64 bits; its flags are at 2
)
_JOB_WORDS = 18  # pointers that this structure has
_FAULTS = (
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)  # what h5py raises where it meets damage


def main() -> None:
    """Open the file that the first request names, then answer until there are no more requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints
    first = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = first["modules"]
    try:
        import h5py
    except ImportError as error:
        _send(replies, {"missing": str(error)})
        return
    _limit_process(first["memory"], first["seconds"])
    _send(replies, {})
    try:
        file = h5py.File(first["path"], "r")
    except _FAULTS as error:
        _send(replies, {"fault": str(error)})
        return
    _send(replies, {})
    for line in sys.stdin.buffer:
        try:
            reply, data = _answer(file, json.loads(line))
        except _FAULTS as error:
            reply, data = {"fault": str(error)}, b""
        _send(replies, reply, data)


def _answer(file: Any, request: dict[str, Any]) -> tuple[dict[str, Any], bytes | memoryview]:
    found = _find(file, tuple(request["names"]))
    match request["do"]:
        case "describe":
            return _describe(found), b""
        case "list":
            return {"names": sorted(map(str, found))}, b""  # h5py gives a name that is no UTF-8 as bytes
        case "read":
            return _pack(found[()])
        case "records":
            return _locate_records(found), b""
        case "describe attribute":
            name = request["attribute"]
            known = found.attrs.get_id(name) if name in found.attrs else None
            return ({} if known is None else _describe_type(known)), b""
        case "read attribute":
            return _pack(found.attrs[request["attribute"]])
    raise ValueError("an unknown request")


@functools.cache
def _find(file: Any, names: tuple[str, ...]) -> Any:
    """What has this name in this group and so on: None where there is nothing, a link as it is, unfollowed."""
    import h5py

    if not names:
        return file
    parent, name = _find(file, names[:-1]), names[-1]
    if not isinstance(parent, h5py.Group) or name not in parent:
        return None
    link = parent.get(name, getlink=True)
    return parent[name] if isinstance(link, h5py.HardLink) else link


def _describe(found: Any) -> dict[str, Any]:
    import h5py

    if isinstance(found, h5py.Group):
        return {"kind": "group"}
    if not isinstance(found, h5py.Dataset):
        return {"kind": "other" if found is not None else ""}
    return {
        "kind": "dataset", **_describe_type(found), "chunks": found.chunks and list(found.chunks),
        "elsewhere": bool(found.external or found.is_virtual),
    }  # fmt: skip


def _describe_type(found: Any) -> dict[str, Any]:
    """dtype and shape of a data set or an attribute; shape is None where it holds nothing."""
    from numpy.lib.format import dtype_to_descr

    return {"dtype": dtype_to_descr(found.dtype), "shape": found.shape if found.shape is None else list(found.shape)}


def _pack(value: Any) -> tuple[dict[str, Any], bytes | memoryview]:
    import numpy as np
    from numpy.lib.format import dtype_to_descr

    array = np.asarray(value, order="C")
    reply = {"dtype": dtype_to_descr(array.dtype), "shape": list(array.shape), "bytes": array.nbytes}
    return reply, array.reshape(-1).view(np.uint8).data if array.nbytes else b""


def _locate_records(found: Any) -> dict[str, Any]:
    """Where a data set's rows are in the file: in one piece from `offset`, or (first row, offset) of each chunk."""
    plan: dict[str, Any] = {"offset": found.id.get_offset(), "stored": found.id.get_storage_size(), "chunks": []}
    if found.chunks and not found.id.get_create_plist().get_nfilters():
        infos = [found.id.get_chunk_info(i) for i in range(min(found.id.get_num_chunks(), 1001))]
        plan["chunks"] = [[info.chunk_offset[0], info.byte_offset] for info in infos]
    return plan


def _send(replies: BinaryIO, reply: dict[str, Any], data: bytes | memoryview = b"") -> None:
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.write(data)
    replies.flush()


def _limit_process(memory: int, seconds: int) -> None:
    """So many bytes more than now, and seconds of work, as far as the system has such limits; no image of a crash."""
    try:
        import resource
    except ImportError:
        _limit_windows(memory)
        return
    held = _UNKNOWN
    with contextlib.suppress(OSError):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, held + memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)
    ):  # fmt: skip
        with contextlib.suppress(OSError, ValueError):
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (value if hard < 0 else min(value, hard), hard))


def _limit_windows(memory: int) -> None:
    """By a job object, which ends with the process."""
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  known to type checkers on Windows only
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    words = (ctypes.c_size_t * _JOB_WORDS)()
    words[2], words[_MEMORY_AT] = _JOB_MEMORY, memory + _UNKNOWN
    kernel.SetInformationJobObject(job, _JOB_LIMITS, words, ctypes.sizeof(words))
    kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))


if __name__ == "__main__":
    main()
    os._exit(0)  # the library frees what it has damaged otherwise
