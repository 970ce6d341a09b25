"""HDF5 is read by a process of its own: what it may do, and what is said when it dies, hangs, or takes too much."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posecodec.errors import InputError, UsageError
from posecodec.io.formats import mat
from posecodec.io.parsing import hdf5, hdf5_process
from posecodec.memory import set_memory_limit

h5py = pytest.importorskip("h5py")
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
ODD = np.dtype({"names": ["a", "b"], "formats": ["<i2", ("<f8", (2,))], "offsets": [0, 8], "itemsize": 32})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["numbers"] = np.arange(6.0).reshape(2, 3)
        file["names"] = np.array([b"a", b"bc"])
        file["rows"] = np.array([(1, (2, 3)), (4, (5, 6))], ODD)
        file["texts"] = np.array(["x", "yz"], dtype=object)
        file["none"] = np.zeros((0, 3), np.int16)
        file["nothing"] = h5py.Empty("f8")
        file["big"] = np.ones((3, 2), ">f4")
        file["inner/deep"] = np.int8(7)
        file["soft"] = h5py.SoftLink("/numbers")
        file["inner"].attrs.update({"number": 2.5, "text": np.bytes_(b"ab"), "list": np.arange(3), "flag": True})
    return tmp_path / "a.h5"


def test_what_is_read_is_what_h5py_reads(path):
    with hdf5.open_file(path) as file:
        assert hdf5.list_names(file) == "big inner names none nothing numbers rows soft texts".split()
        for name in ("numbers", "rows", "none", "big"):
            found = hdf5.read_dataset(hdf5.get_dataset(file, name))
            with h5py.File(path) as known:
                assert found.dtype == known[name].dtype
                np.testing.assert_array_equal(found, known[name][()])
        assert hdf5.read_texts(file, "names") == ["a", "bc"] and hdf5.read_texts(file, "texts") == ["x", "yz"]
        inner = hdf5.get_group(file, "inner")
        assert hdf5.read_numbers(inner, "deep", 0) == 7 and "deep" in inner and "x" not in inner
        assert hdf5.read_attribute(inner, "number") == 2.5 and hdf5.read_attribute(inner, "text") == b"ab"
        assert hdf5.read_attribute(inner, "list").tolist() == [0, 1, 2] and hdf5.read_attribute(inner, "flag")
        assert hdf5.read_attribute(inner, "x") is None and not hdf5.has_attribute(inner, "x")
        for name in ("soft", "nothing", "inner", "none/such"):
            with pytest.raises(InputError):
                hdf5.get_dataset(file, name)


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_process_that_dies_in_the_middle_is_told(path, how):
    with pytest.raises(InputError, match=f"broke off while reading it .exit status -{how.value}.*export it again"):
        with hdf5.open_file(path) as file:
            assert hdf5.list_names(file)
            file.file._process.send_signal(how)
            hdf5.read_numbers(file, "numbers", 2)


@posix
def test_a_process_that_hangs_is_stopped(path, monkeypatch):
    monkeypatch.setattr(hdf5_process, "_PATIENCE", 0.1)
    with pytest.raises(InputError, match="took too long over it and was stopped"), hdf5.open_file(path) as file:
        file.file._process.send_signal(signal.SIGSTOP)
        hdf5.list_names(file)


@posix
def test_a_process_that_works_without_end_is_stopped(path):
    with pytest.raises(InputError, match="took too long over it and was stopped"), hdf5.open_file(path) as file:
        file.file._process.send_signal(signal.SIGXCPU)
        hdf5.list_names(file)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_a_process_that_takes_memory_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_process, "_BYTES_TO_WORK", 1 << 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.zeros(1 << 20), compression="gzip")
    with pytest.raises(InputError, match="HDF5 cannot read it"), hdf5.open_file(tmp_path / "a.h5") as file:
        hdf5.read_numbers(file, "a", 1)


def test_memory_that_is_not_allowed_is_not_taken(path):
    set_memory_limit("200MB")
    try:
        with hdf5.open_file(path) as file:
            set_memory_limit(100)
            with pytest.raises(InputError, match="--max-memory"):
                hdf5.read_numbers(file, "numbers", 2)
    finally:
        set_memory_limit(None)


@pytest.mark.parametrize(
    "reply", [b"", b"{", b"[]\n", b'{"dtype":"<f8","shape":[2],"bytes":9}\n12345678', b"x" * 99 + b"\n"]
)
def test_replies_that_make_no_sense_are_told(path, reply):
    with hdf5.open_file(path) as file:
        process = file.file._process
        process.stdout.close()
        (path.parent / "reply").write_bytes(reply)
        process.stdout = (path.parent / "reply").open("rb")
        with pytest.raises(InputError):
            file.file.read("read", ("numbers",), size=16)


def write_73(path: Path, fill) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    data = bytearray(path.read_bytes())
    data[:512] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM" + bytes(384)
    path.write_bytes(data)
    return path


def test_the_same_data_under_many_names_is_not_read_again_and_again(tmp_path):
    def fill(file):
        file.create_dataset("a0", data=np.zeros((400, 1000, 3)), compression="gzip")
        for i in range(1, 1000):
            file[f"a{i}"] = file["a0"]

    with pytest.raises(InputError, match="more than .* bytes would be read"):
        mat.read(write_73(tmp_path / "a.mat", fill), fps=1)


def test_groups_in_themselves_end(tmp_path):
    def fill(file):
        group = file.create_group("a")
        for i in range(20):
            group[f"b{i}"] = group

    begun = sum(os.times()[:4])
    with pytest.raises(InputError, match="more members than its"):
        mat.read(write_73(tmp_path / "a.mat", fill), fps=1)
    assert sum(os.times()[:4]) - begun < 5


def test_a_python_that_does_not_start_is_told(path, monkeypatch):
    monkeypatch.setattr(hdf5_process, "_SCRIPT", path.with_name("none.py"))
    with pytest.raises(UsageError, match="ended at once"), hdf5.open_file(path):
        pass
    monkeypatch.setattr(sys, "executable", str(path.with_name("none")))
    with pytest.raises(UsageError, match="cannot be started"), hdf5.open_file(path):
        pass
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(UsageError, match="this program has none"), hdf5.open_file(path):
        pass


def test_code_beside_the_file_is_not_run(tmp_path):
    """No main guard, and a current folder with modules of a stranger in it."""
    with h5py.File(tmp_path / "trajectories.h5", "w") as file:
        file["trajectories"], file["id_probabilities"] = np.ones((4, 1, 2)), np.ones((4, 1))
    (tmp_path / "h5py.py").write_text("open('ran', 'w')\n")
    code = f"import sys; sys.path[:] = {sys.path}; import posecodec; print(posecodec.load('trajectories.h5', fps=1).frames)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "4\n" and not (tmp_path / "ran").exists(), done.stderr


@posix
def test_an_interrupt_ends_both(path):
    code = f"""if True:
        import os, signal, sys, time
        from pathlib import Path
        from posecodec.io.parsing import hdf5
        with hdf5.open_file(Path({str(path)!r})) as file:
            file.file._process.send_signal(signal.SIGSTOP)
            print(file.file._process.pid, flush=True)
            hdf5.list_names(file)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, env=environment) as process:
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=180)[1]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
