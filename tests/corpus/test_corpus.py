"""A corpus: planned, encoded by whoever, the same bytes in the end, checked, counted, read back by id and behind a URL."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import tarfile
import threading

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from posecodec import cli, io
from posecodec.corpus import encoding, manifest, shards, tables
from posecodec.corpus.reading import Corpus
from posecodec.errors import CorruptError, InputError, UsageError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.pose.synthetic import film, walk

SHARDS = 3


def call(*arguments):
    result = CliRunner().invoke(cli.cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Seven recordings in two folders, one of which is damaged, and files that are none."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "walks").mkdir()
    for number in range(6):
        sequence = walk(20 + number, people=1 + number % 2)
        io.save(sequence, folder / ("walks" if number % 2 else ".") / f"{number}.npz")
    (folder / "bad.npz").write_bytes(b"PK nothing")
    (folder / "notes.md").write_text("none")
    (folder / ".hidden.npz").write_text("none")
    return folder


@pytest.fixture(scope="module")
def planned(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "manifest.parquet"
    call("corpus", "plan", source, "-o", path)
    return path


@pytest.fixture(scope="module")
def made(planned, tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "corpus"
    call("corpus", "encode", planned, "-o", root, "--shards", SHARDS, "--max-error", "5mm")
    return root


def read_tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_manifest_lists_all_recordings_once(planned, source):
    rows = list(manifest.iterate_rows(planned))
    names = [row["id"] for row in rows]
    assert names == sorted(names) == ["0.npz", "2.npz", "4.npz", "bad.npz", "walks/1.npz", "walks/3.npz", "walks/5.npz"]
    assert all(row["bytes"] == (source / row["id"]).stat().st_size and row["format"] == "npz" for row in rows)
    with pytest.raises(UsageError, match="exists"):
        call("corpus", "plan", source, "-o", planned)
    with pytest.raises(InputError, match="no pose files"):
        call("corpus", "plan", source, "-o", planned, "-f", "--only", "pose")
    with pytest.raises(InputError, match="Parquet"):
        list(manifest.iterate_rows(source / "notes.md"))


def test_many_rows_are_planned_and_split_in_no_time(tmp_path):
    rows = [{"id": f"{i:07}.pose", "source": f"/data/{i:07}.pose", "bytes": i, "format": "pose"} for i in range(20_000)]
    manifest.write_manifest(tmp_path / "m.parquet", rows)
    again = list(manifest.iterate_rows(tmp_path / "m.parquet"))
    split = shards.split_rows(again, 8, range(8))
    sizes = [len(each) for each in split.values()]
    assert sum(sizes) == 20_000 and max(sizes) < 1.1 * 20_000 / 8
    assert split[3] == shards.split_rows(again, 8, [3])[3]
    with pytest.raises(UsageError, match="one id"):
        manifest.write_manifest(tmp_path / "m.parquet", rows[:1] * 2)


def test_whoever_encodes_shards_writes_the_same(made, planned, tmp_path):
    root = tmp_path / "corpus"
    for number in (2, 0, 1):  # tasks of an array job
        call("corpus", "encode", planned, "-o", root, "--shard", f"{number}/{SHARDS}", "--max-error", "5mm")
    assert read_tree(root) == read_tree(made)


def test_a_shard_that_was_lost_is_made_again_and_no_other(made, planned, tmp_path, monkeypatch):
    root = tmp_path / "corpus"
    for name, data in read_tree(made).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    lost = root / "data/chunk-000/shard-00001.parquet"
    lost.unlink()
    seen = []
    monkeypatch.setattr(encoding, "load", lambda path, **options: seen.append(path) or io.load(path, **options))
    facts = json.loads(
        call("corpus", "encode", planned, "-o", root, "--shards", SHARDS, "--max-error", "5mm", "--json")
    )
    assert facts["shards"] == 1 and facts["skipped"] == 2 and len(seen) == facts["recordings"] + facts["failed"] < 7
    assert read_tree(root) == read_tree(made)
    with pytest.raises(UsageError, match="another folder"):
        call("corpus", "encode", planned, "-o", root, "--shards", SHARDS, "--max-error", "6mm")


def test_recordings_that_came_later_are_encoded_too(made, source, tmp_path):
    more = tmp_path / "source"
    for name, data in read_tree(source).items():
        (more / name).parent.mkdir(parents=True, exist_ok=True)
        (more / name).write_bytes(data)
    call("corpus", "plan", more, "-o", tmp_path / "a.parquet")
    call("corpus", "encode", tmp_path / "a.parquet", "-o", tmp_path / "c", "--shards", SHARDS)
    io.save(walk(33), more / "later.npz")
    call("corpus", "plan", more, "-o", tmp_path / "b.parquet")
    facts = json.loads(
        call("corpus", "encode", tmp_path / "b.parquet", "-o", tmp_path / "c", "--shards", SHARDS, "--json")
    )
    assert (facts["shards"], facts["skipped"]) == (1, SHARDS - 1)
    assert Corpus(tmp_path / "c")["later.npz"].frames == 33 and len(Corpus(tmp_path / "c")) == 7


def test_a_recording_that_was_changed_is_encoded_again(tmp_path):
    folder, plan, root = tmp_path / "in", tmp_path / "m.parquet", tmp_path / "c"
    folder.mkdir()
    io.save(walk(21), folder / "1.npz")
    corpus = "corpus", "encode", plan, "-o", root, "--json"
    for look in ([], ["--look"]):
        seen = []
        for step in range(3):
            moved = walk(20).positions + np.float32(len(look) + step // 2)
            io.save(PoseSequence.of(moved, fps=30, unit="mm"), folder / "0.npz", force=True)
            os.utime(folder / "0.npz", (step, step) if look else (step // 2, step // 2))
            call("corpus", "plan", folder, "-o", plan, "-f", *look)
            seen.append(json.loads(call(*corpus))["shards"])
        assert seen == [1, 0, 1]


def test_an_index_of_another_shard_is_made_anew(made, planned, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(made, root)
    index = root / "meta/index/00000.parquet"
    whole, table = index.read_bytes(), tables.read_table(index)
    shifted = [{**row, "offset": row["offset"] + 1} for row in table.to_pylist()]
    tables.write_table(index, tables.build_table(tables.INDEX, shifted, {"shard": "that it was"}))
    with pytest.raises(CorruptError, match="not where the index says; encode shard 0 again"):
        call("corpus", "extract", root, shifted[0]["id"], "-o", tmp_path / "a.posec")
    facts = json.loads(
        call("corpus", "encode", planned, "-o", root, "--shards", SHARDS, "--max-error", "5mm", "--json")
    )
    assert facts["shards"] == 1 and index.read_bytes() == whole


def test_folders_that_are_one_recording_are_planned_as_one(tmp_path):
    (tmp_path / "in").mkdir()
    io.save(film(walk(3)).mapped_to(BUILT_IN["body25"]), tmp_path / "in/clip", format="openpose")
    io.save(walk(3), tmp_path / "in/a.npz")
    call("corpus", "plan", tmp_path / "in", "-o", tmp_path / "m.parquet")
    rows = list(manifest.iterate_rows(tmp_path / "m.parquet"))
    assert [(row["id"], row["format"]) for row in rows] == [("a.npz", "npz"), ("clip", "openpose")]
    assert rows[1]["bytes"] == sum(path.stat().st_size for path in (tmp_path / "in/clip").iterdir())
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "c", "--fps", "30")
    assert Corpus(tmp_path / "c")["clip"].frames == 3
    with pytest.raises(InputError, match="one recording itself"):
        manifest.plan(tmp_path / "in/clip")


def test_processes_write_the_same(made, planned, tmp_path):
    call("corpus", "encode", planned, "-o", tmp_path / "c", "--shards", SHARDS, "--max-error", "5mm", "-j", 2)
    assert read_tree(tmp_path / "c") == read_tree(made)


@pytest.mark.parametrize("options", [["--shard", "3/3"], ["--shard", "x"], ["--shard", "0/3", "--shards", "4"]])
def test_shards_that_there_are_not(planned, tmp_path, options):
    with pytest.raises(UsageError, match="shard"):
        call("corpus", "encode", planned, "-o", tmp_path / "c", *options)


def test_rows_tell_what_was_done_and_what_failed(made, source):
    rows = {row["id"]: row for number in range(SHARDS) for row in Corpus(made).read_rows(number)}
    row = rows["walks/3.npz"]
    assert (row["frames"], row["people"], row["skeleton"], row["unit"]) == (23, 2, "coco19", "mm")
    assert row["bytes_out"] == len(row["posec"]) and row["max_error"] <= 5 and len(row["sha256"]) == 64
    assert rows["bad.npz"]["posec"] is None and "bad.npz" in rows["bad.npz"]["error"]


def test_recordings_come_back_by_id_and_by_number(made, source):
    corpus = Corpus(made)
    assert len(corpus) == 6 and len(list(corpus)) == 6 and "3 shards" in repr(corpus)
    back, original = corpus["walks/3.npz"], io.load(source / "walks/3.npz")
    assert np.linalg.norm(back.positions - original.positions, axis=-1).max() <= 5
    assert corpus[0].frames == corpus[np.int64(0)].frames == corpus.rows[0]["frames"]
    assert [s.people for s in corpus.filter(lambda row: row["people"] == 2)] == [2, 2, 2]
    with pytest.raises(InputError, match="no recording 'bad.npz'"):
        corpus["bad.npz"]
    with pytest.raises(InputError, match="is no corpus"):
        Corpus(source)


def test_a_corpus_is_checked_and_counted(made):
    assert json.loads(call("corpus", "check", made, "--json")) == {"checked": 6, "faults": {}}
    assert json.loads(call("corpus", "check", made, "--json", "--share", 0))["checked"] == 0
    facts = json.loads(call("corpus", "stats", made, "--json"))
    assert facts["recordings"] == 6 and facts["failed"] == 1 and facts["frames"] == sum(range(20, 26))
    assert facts["error"][0]["max"] <= 5 and sum(facts["failures"].values()) == 1
    assert "6 in 3 shards (0 not there), 1 failed" in call("corpus", "stats", made)


def test_what_is_missing_or_wrong_is_found(made, tmp_path):
    for name, data in read_tree(made).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "data/chunk-000/shard-00000.parquet").unlink()
    layout = shards.Layout(tmp_path, SHARDS, shards.read_info(tmp_path)["made"])
    rows = Corpus(tmp_path).read_rows(1)
    for row in rows:
        row["frames"] = 3
    shards.write_shard(layout, 1, rows, rows)
    with pytest.raises(CorruptError, match="not whole"):
        call("corpus", "check", tmp_path)
    assert json.loads(call("corpus", "stats", tmp_path, "--json"))["missing_shards"] == 1


def test_a_recording_is_extracted_as_the_file_that_it_is(made, tmp_path):
    call("corpus", "extract", made, "walks/1.npz", "-o", tmp_path / "one.posec")
    assert json.loads(call("info", tmp_path / "one.posec", "--json"))["people"] == 2
    with pytest.raises(UsageError, match="call the output .posec"):
        call("corpus", "extract", made, "walks/1.npz", "-o", tmp_path / "one.npz")
    assert (tmp_path / "one.posec").read_bytes() == Corpus(made).read_file("walks/1.npz")


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves ranges, and notes each."""

    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        data = open(self.translate_path(self.path), "rb").read()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(found[1]), int(found[2] or len(data) - 1)) if found else (0, len(data) - 1)
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(data[first : last + 1])))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(data[first : last + 1])

    def log_message(self, *args):
        pass


def test_one_recording_behind_a_url_takes_three_requests(made):
    pytest.importorskip("aiohttp")
    _Handler.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(made)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        corpus = Corpus(f"http://127.0.0.1:{server.server_port}")
        assert corpus["walks/5.npz"].frames == 25
        assert len(_Handler.asked) <= 3
        assert isinstance(corpus["walks/5.npz"], PoseSequence) and len(corpus) == 6
    finally:
        server.shutdown()


def test_windows_reach_workers_and_ranks_each_once(made):
    datasets = pytest.importorskip("posecodec.datasets.streams")
    corpus = Corpus(made)
    alone = list(datasets.Windows(corpus, 8, shuffle=0))
    assert alone[0]["positions"].shape == (8, 19, 3) and alone[0]["start"] == 0
    keys = sorted((w["id"], w["person"], w["start"]) for w in alone)
    assert len(keys) == sum((row["frames"] // 8) * row["people"] for row in corpus.rows)
    shared = [w for rank in (0, 1) for w in datasets.Windows(made, 8, shuffle=5, seed=3, rank=rank, ranks=2)]
    assert sorted((w["id"], w["person"], w["start"]) for w in shared) == keys
    mixed = datasets.Windows(corpus, 8, shuffle=16)
    first = [w["start"] for w in mixed]
    mixed.epoch = 1
    assert first != [w["start"] for w in mixed]
    for wrong in ({"frames": 0}, {"step": -1}, {"rank": 2, "ranks": 2}):
        with pytest.raises(UsageError):
            datasets.Windows(corpus, **wrong)
    with pytest.raises(UsageError, match="no tokens"):
        list(datasets.TokenStreams(corpus))


def test_tokens_of_a_corpus_are_streams(tmp_path):
    datasets = pytest.importorskip("posecodec.datasets.streams")
    io.save(walk(40), tmp_path / "a.npz")
    io.save(walk(70), tmp_path / "b.npz")
    call("corpus", "plan", tmp_path, "-o", tmp_path / "m.parquet")
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "c", "--levels", 2)
    streams = {item["id"]: item["tokens"] for item in datasets.TokenStreams(tmp_path / "c")}
    assert set(streams) == {"a.npz", "b.npz"} and len(streams["b.npz"]) > len(streams["a.npz"])
    shorter = next(iter(datasets.TokenStreams(tmp_path / "c", levels=1, shuffle=0)))
    assert shorter["id"] == "a.npz" and len(shorter["tokens"]) < len(streams["a.npz"])


def test_a_corpus_of_tokens_of_ones_own_weights_is_read_as_streams(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from small_tokens import train_codec

    from posecodec.datasets import TokenStreams

    codec = train_codec(tmp_path, 3)
    (tmp_path / "in").mkdir()
    io.save(walk(70), tmp_path / "in" / "a.npz")
    call("corpus", "plan", tmp_path / "in", "-o", tmp_path / "m.parquet")
    weights = str(tmp_path / "tokens3d.safetensors")
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "c", "--levels", "2", "-m", weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECODEC_WEIGHTS", str(tmp_path))
        found = list(TokenStreams(tmp_path / "c", shuffle=0))
    stream = codec.tokenizer.vocabulary(2).flatten(codec.tokenize(walk(70), levels=2)).tolist()
    assert found[0]["tokens"].tolist() == stream
    known = "--levels", "2", "-m", weights, "--tokens-column"
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "n", *known)
    monkeypatch.setattr("posecodec.codec.PoseCodec.tokens", None)  # nothing is decoded
    assert [each["tokens"].tolist() for each in TokenStreams(tmp_path / "n", shuffle=0)] == [stream]
    with pytest.raises(UsageError, match="needs --levels"):
        call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "x", "--tokens-column")


def test_tars_hold_each_recording_and_what_is_known_of_it(made, tmp_path):
    assert "recordings" in call("corpus", "export", made, "-o", tmp_path / "tars")
    corpus, found = Corpus(made), {}
    for path in sorted((tmp_path / "tars").iterdir()):
        with tarfile.open(path) as tar:
            for name in [name for name in tar.getnames() if name.endswith(".json")]:
                about = json.loads(tar.extractfile(name).read())
                found[about["id"]] = tar.extractfile(name.replace(".json", ".posec")).read()
                assert about["frames"] > 0 and "posec" not in about
    assert found == {row["id"]: corpus.read_file(row["id"]) for row in corpus.rows}
    before = {path: path.read_bytes() for path in (tmp_path / "tars").iterdir()}
    with pytest.raises(UsageError, match="exists already"):
        call("corpus", "export", made, "-o", tmp_path / "tars")
    (tmp_path / "tars/shard-00007.tar").write_bytes(b"of a larger corpus")
    call("corpus", "export", made, "-o", tmp_path / "tars", "-f")
    assert {path: path.read_bytes() for path in (tmp_path / "tars").iterdir()} == before


def test_recordings_behind_a_url_are_listed_and_fetched(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    io.save(walk(20), tmp_path / "a.npz")
    for place in ("in/a.npz", "in/deep/b.npz", "in/.hidden/c.npz"):
        system.pipe_file(f"/{place}", (tmp_path / "a.npz").read_bytes())
    system.pipe_file("/in/notes.md", b"x")
    call("corpus", "plan", "memory://in", "-o", tmp_path / "m.parquet")
    rows = list(manifest.iterate_rows(tmp_path / "m.parquet"))
    assert [row["id"] for row in rows] == ["a.npz", "deep/b.npz"]
    system.rm_file("/in/a.npz")
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "c", "--shards", "1")
    assert [row["id"] for row in Corpus(tmp_path / "c").rows] == ["deep/b.npz"]
    assert Corpus(tmp_path / "c")["deep/b.npz"].frames == 20
    system.pipe_file("/clip/a_000000000001_keypoints.json", b"{}")
    with pytest.raises(InputError, match="holds one frame of a recording"):
        manifest.plan("memory://clip")
    with pytest.raises(InputError, match="cannot be listed"):
        manifest.plan("nowhere://x")
    with pytest.raises(InputError, match="no such folder"):
        manifest.plan(tmp_path / "none")


def test_hugging_face_decodes_rows_as_they_are_asked_for(made):
    pytest.importorskip("datasets", reason="datasets is not installed")
    from posecodec.interop.huggingface import load_dataset

    corpus = Corpus(made)
    rows = list(load_dataset(str(made)))
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in corpus.rows)
    np.testing.assert_array_equal(np.array(rows[0]["positions"], np.float32), corpus[rows[0]["id"]].positions)
    whole = load_dataset(str(made), streaming=False)
    assert len(whole) == len(corpus) and np.array(whole[0]["positions"]).ndim == 4


def test_a_plan_may_look_at_what_it_lists(source, planned, tmp_path):
    seen = [tmp_path / f"{jobs}.parquet" for jobs in (1, 2)]
    told = [
        json.loads(call("corpus", "plan", source, "-o", path, "--look", "-j", jobs, "--json"))
        for jobs, path in enumerate(seen, 1)
    ]
    assert told[0] == told[1] and (told[0]["frames"], told[0]["failed"]) == (135, 1)
    rows = list(manifest.iterate_rows(seen[0]))
    assert rows == list(manifest.iterate_rows(seen[1]))
    bad = rows.pop(next(i for i, row in enumerate(rows) if row["id"] == "bad.npz"))
    assert bad["error"] and bad["frames"] is None
    assert {(row["frames"], row["people"], row["skeleton"]) for row in rows} == {
        (20 + i, 1 + i % 2, "coco19") for i in range(6)
    }
    plain = {row["id"]: row for row in manifest.iterate_rows(planned)}
    assert all(plain[row["id"]].items() <= row.items() for row in rows) and {len(row["sha256"]) for row in rows} == {64}
    chosen = [row for row in rows if row["people"] == 2]
    manifest.write_manifest(tmp_path / "chosen.parquet", chosen)
    call("corpus", "encode", tmp_path / "chosen.parquet", "-o", tmp_path / "corpus", "--max-error", "5mm")
    assert len(Corpus(tmp_path / "corpus")) == 3


def test_stats_draw_a_picture(made, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    call("corpus", "stats", made, "--picture", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="exists"):
        call("corpus", "stats", made, "--picture", tmp_path / "a.png")


def test_a_corpus_of_nothing_has_no_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    call("corpus", "plan", tmp_path, "-o", tmp_path / "m.parquet")
    call("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "corpus")
    with pytest.raises(InputError, match="nothing to draw"):
        call("corpus", "stats", tmp_path / "corpus", "--picture", tmp_path / "a.png")


def test_of_each_shard_one_is_checked_at_least_and_one_that_is_damaged_is_told(made, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(made, copy)
    assert 0 < json.loads(call("corpus", "check", copy, "--json", "--share", 1e-9))["checked"] <= SHARDS
    (copy / Corpus(copy).layout.find_shard(0)).write_bytes(b"no Parquet at all")
    result = CliRunner().invoke(cli.cli, ["corpus", "check", str(copy)], standalone_mode=False)
    assert isinstance(result.exception, CorruptError) and "shard 0" in result.output and "1 not whole" in result.output
