"""Files that nobody reads are named with the way round; gzip around files of text."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from good_files import MAKERS, name_file

from posecodec.cli import cli
from posecodec.errors import InputError, UsageError
from posecodec.io import detect, load, save, unpacking
from posecodec.pose.synthetic import walk


def make_zip(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


@pytest.mark.parametrize(("name", "data", "message"), [
    ("a.pkl", pickle.dumps({"keypoints": [1.5]}), "a pickle, which runs code .* save the positions .* as .npz or .csv"),
    ("a.pkl", pickle.dumps([1, 2], protocol=0), "a pickle"), ("a", pickle.dumps(np.ones(3)), "a pickle"),
    ("a.pickle", b"0,1,2\n", "a pickle"), ("a.pt", make_zip("a/data.pkl"), "a pickle"), ("a.joblib", b"\0\0", "a pickle"),
    ("a.xlsx", make_zip("xl/workbook.xml"), "a spreadsheet: save the sheet as .csv"),
    ("a.csv", make_zip("xl/a"), "a spreadsheet"),
    ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet"),
    ("a.zip", make_zip("a.csv", "b.csv"), "an archive: unpack"),
    ("a.fbx", b"Kaydara FBX Binary  \0", "a scene of a 3D program: export .* BVH"), ("b.fbx", b"; FBX 7.3.0\n", "a scene"),
    ("a.mp4", b"\0\0\0\x18ftypmp42\0", "a video: run a pose estimator"), ("a", b"RIFF\0\0\0\0AVI LIST", "a video"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0", "an image"), ("a.7z", b"7z\xbc\xaf\x27\x1c\0", "an archive"),
    ("a.csv.xz", b"\xfd7zXZ\0\0", "compressed: unpack it"), ("a.parquet", b"PAR1\0", "a table of columns: save it as .csv"),
    ("a.tak", b"\0\1", "a take of Motive's"), ("a.qtm", b"\0\1", "a measurement of QTM's: export .tsv"),
    ("a.osim", b"<?xml ?><OpenSimDocument>", "a model"),
    ("sub-01_channels.tsv", b"name\ttype\ttracked_point\n", "a table beside .* give ..._motion.tsv"),
    ("participants.tsv", b"participant_id\tage\nsub-01\t30\n", "a table beside recordings"),
    ("sub-01_events.tsv", b"onset\tduration\n1\t2\n", "a table beside recordings"),
    ("a.csv", b"<!DOCTYPE html><html><body>404, not found</body></html>", "a web page"),
    ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a pointer of Git LFS"),
])  # fmt: skip
def test_what_is_not_read_is_named_with_the_way_round(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: this is {message}"):
        load(tmp_path / name)
    found = CliRunner().invoke(cli, ["encode", str(tmp_path / name), "-o", str(tmp_path / "b.posec")])
    assert found.exception.exit_code == 3 and "this is" in str(found.exception)


@pytest.mark.parametrize(
    "names", [("poses", "trans", "betas", "mocap_framerate"), ("pose_body", "root_orient"), ("smpl_poses",)]
)
def test_rotations_are_no_positions(tmp_path, names):
    np.savez(tmp_path / "a.npz", **{name: np.ones((4, 3)) for name in names})
    with pytest.raises(InputError, match="pose parameters of a body model .* not positions; run the body model"):
        load(tmp_path / "a.npz", fps=30)
    np.savez(tmp_path / "b.npz", positions=np.ones((4, 3, 3)), poses=np.ones((4, 3)))
    assert load(tmp_path / "b.npz", fps=30).frames == 4


def test_pickled_arrays_of_idtracker(tmp_path):
    np.save(tmp_path / "trajectories.npy", {"trajectories": np.ones((4, 2, 2)), "frames_per_second": 30})
    with pytest.raises(InputError, match="would need pickle and run code; of idtracker.ai give trajectories.h5"):
        load(tmp_path / "trajectories.npy")


TEXT = (
    "csv",
    "coco",
    "alphapose",
    "mmpose",
    "mediapipe",
    "trc",
    "bvh",
    "dlc",
    "motive",
    "vicon",
    "qualisys",
    "npy",
    "panoptic",
)


@pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")
@pytest.mark.parametrize("known", TEXT)
def test_gzip_around_a_file(tmp_path, known):
    data = MAKERS[known][0]()
    plain = tmp_path / name_file(known, data)
    plain.write_bytes(data)
    packed = tmp_path / f"{plain.name}.gz"
    packed.write_bytes(gzip.compress(data))
    assert detect(packed).format == detect(plain).format
    assert load(packed, fps=30).positions.tobytes() == load(plain, fps=30).positions.tobytes()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.trc.GZ"])
def test_written_packed(tmp_path, name):
    save(walk(5), tmp_path / name)
    assert (tmp_path / name).read_bytes()[:3] == unpacking.GZIP
    np.testing.assert_array_equal(load(tmp_path / name).positions.astype(np.float32), walk(5).positions)


def test_names_of_packed_files_in_a_tree(tmp_path):
    (tmp_path / "in").mkdir()
    save(walk(5), tmp_path / "in" / "take.csv.gz")
    runner = CliRunner()
    assert runner.invoke(cli, ["encode", str(tmp_path / "in"), "-o", str(tmp_path / "out")]).exit_code == 0
    assert (tmp_path / "out" / "take.posec").exists()
    assert runner.invoke(cli, ["encode", str(tmp_path / "in" / "take.csv.gz")]).exit_code == 0
    assert (tmp_path / "in" / "take.posec").exists()


def test_two_members_are_one_file():
    assert unpacking.unpack(gzip.compress(b"ab") + gzip.compress(b"cd") + b"\0\0") == b"abcd"


@pytest.mark.parametrize(("damage", "message"), [
    (lambda data: data[:-9], "ends early; it is cut short"),
    (lambda data: data[:12] + b"\xff\xff\xff" + data[15:], "cannot unpack it"),
    (lambda data: gzip.compress(b""), "holds nothing"),
    (lambda data: gzip.compress(bytes(200 << 20)), "unpacks to more than .* unpack it"),
])  # fmt: skip
def test_damaged_gzip(tmp_path, damage, message):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(damage(gzip.compress(b"frame,a_x,a_y\n0,1,2\n" * 50)))
    with pytest.raises(InputError, match=message):
        load(path, fps=30)


def test_gzip_around_hdf5(tmp_path):
    (tmp_path / "a.h5.gz").write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(100)))
    with pytest.raises((InputError, UsageError), match="gzip around HDF5|names a format"):
        load(tmp_path / "a.h5.gz", format="sleap", fps=30)
