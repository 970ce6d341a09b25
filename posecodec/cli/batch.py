"""Many files: which there are, where each goes, doing them in one or several processes, and what came of it.

A tree is mirrored. A file that fails is listed at the end and the others go on; an interrupt finishes the files that are
being written and leaves the rest for the next time, which skips what `resuming` remembers as done.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from posecodec.cli.common import STREAM
from posecodec.cli.resuming import Entry, Memory, hash_request, read_manifest
from posecodec.errors import InputError, PosecodecError, UsageError, make_printable
from posecodec.memory import get_memory_limit, set_memory_limit

Work = Callable[[Path, Path, Any], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A file or recording folder, the file to make of it, and what is known of that from the last run."""

    source: Path
    target: Path
    memory: Memory


Results = Generator[tuple[Task, dict[str, Any], PosecodecError | None], None, None]  # facts, or what went wrong


@dataclass
class Outcome:
    """What came of all files: facts of the done ones, messages of the failed, how many were skipped."""

    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: int = 0


def is_single(inputs: tuple[str, ...], format: str | None) -> bool:
    """Whether the inputs are one recording: one file, a folder that is one, or standard input."""
    from posecodec.io.detect import is_recording

    if len(inputs) > 1:
        return False
    path = Path(inputs[0])
    return inputs[0] == STREAM or not path.is_dir() or is_recording(path, format)


def check_target(source: Path, target: Path) -> None:
    """Raises UsageError where a .posec file would replace its own source, or be called as another format's."""
    from posecodec.io import FORMATS

    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target}: is the input itself; write the result to another file")
    if target.suffix and target.suffix.lower() in {suffix for known in FORMATS.values() for suffix in known.suffixes}:
        raise UsageError(f"{target}: {target.suffix} is the suffix of another format; call the output .posec")


def choose_target(source: str, output: str | None, suffix: str) -> Path | None:
    """Where one recording goes; None for standard output."""
    from posecodec.io.filesystem import strip_suffix

    if output == STREAM or (output is None and source == STREAM):
        return None
    path = Path(source)
    if output is None:
        stem = path.resolve().name if path.is_dir() else strip_suffix(path).name
        return path.with_name(f"{stem}{suffix}")
    return Path(output) / f"{strip_suffix(path).name}{suffix}" if Path(output).is_dir() else Path(output)


def plan(inputs: tuple[str, ...], output: str | None, format: str | None, suffix: str) -> list[Task]:
    """All recordings of the inputs, each with its file under the output folder.

    Two sources of one stem keep their suffixes in the names. Raises UsageError without a folder to write to, InputError
    where a folder holds no recording.
    """
    from posecodec.io.filesystem import strip_suffix

    if output is None or output == STREAM:
        raise UsageError("several inputs or a folder need -o DIR")
    if Path(output).exists() and not Path(output).is_dir():
        raise UsageError(f"{output}: is a file; several inputs need a folder")
    if suffix == ".posec":
        _refuse_frames(inputs, format)
    found = [pair for name in inputs for pair in _find_recordings(Path(name), format, suffix)]
    stems = Counter(strip_suffix(path) for _, path in found)
    names = [strip_suffix(path) if stems[strip_suffix(path)] == 1 else path for _, path in found]
    repeated = [str(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UsageError(f"several inputs would become {repeated[0]}{suffix}; encode them to different folders")
    root, known = Path(output), read_manifest(Path(output))
    tasks = []
    for (source, _), name in zip(found, names, strict=True):
        target = name.with_name(f"{name.name}{suffix}")
        entry = known.get(target.as_posix(), Entry(target.as_posix()))
        tasks.append(Task(source, root / target, Memory(root, entry)))
    return tasks


def _refuse_frames(inputs: tuple[str, ...], format: str | None) -> None:
    """Raises UsageError where several inputs are numbered files of one frame each: a file of each is hardly meant."""
    from posecodec.io import FORMATS
    from posecodec.io.registry import FRAME_FOLDER

    holds_frames = FORMATS[FRAME_FOLDER].holds_frames
    numbered = [Path(name) for name in inputs if any(map(str.isdecimal, Path(name).name)) and Path(name).is_file()]
    for (folder, _), count in Counter((path.parent, path.suffix) for path in numbered).items():
        if count > 1 and holds_frames is not None and holds_frames(folder, format):
            raise UsageError(
                f"{folder}: {count} of its files hold one frame each; give the folder itself, which is one recording"
            )


def _find_recordings(path: Path, format: str | None, suffix: str) -> list[tuple[Path, Path]]:
    """(source, path under the output) of the recordings in a file or folder."""
    if not path.is_dir() or is_single((str(path),), format):
        return [(path, Path(path.name))]
    found = [(source, source.relative_to(path)) for source in sorted(_walk(path, format, suffix))]
    if not found:
        raise InputError(f"{path}: no pose files in this folder; `posecodec formats` lists what is known")
    return found


def _walk(folder: Path, format: str | None, suffix: str, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Recordings in a tree; a link that leads back up is not followed."""
    above = (*above, folder.resolve())
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        yield folder  # reading it fails with a message, and the others go on
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if is_single((str(path),), format):
                yield path
            elif path.resolve() not in above:
                yield from _walk(path, format, suffix, above)
        elif _is_wanted(path, format, suffix):
            yield path


def _is_wanted(path: Path, format: str | None, suffix: str) -> bool:
    """Whether a file of a folder is to be done: .posec files for decoding, pose files for encoding."""
    from posecodec import io
    from posecodec.io.filesystem import find_suffix

    if suffix != ".posec":
        return path.suffix == ".posec"
    if format is not None:
        return find_suffix(path) in io.FORMATS[io.find_format(path, format)].suffixes
    known = {s for f in io.FORMATS.values() for s in f.suffixes} - {"", ".txt"}
    if find_suffix(path) not in known:
        return False
    with contextlib.suppress(PosecodecError):
        io.detect(path)
        return True
    return path.stat().st_size == 0


def run(tasks: list[Task], work: Work, settings: Any, jobs: int, as_json: bool, summary: Path | None) -> None:
    """Do all tasks, print each and the whole. Raises PosecodecError if some failed."""
    for folder in {task.target.parent for task in tasks}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise UsageError(f"{folder}: cannot be made ({cause.strerror}); choose another output") from cause
    outcome = Outcome()
    here: Results = ((task, *_try_work(work, task, settings)) for task in tasks)
    with contextlib.closing(_run_in_processes(tasks, work, settings, jobs) if jobs > 1 else here) as results:
        for number, (task, facts, error) in enumerate(results, 1):
            _report(outcome, task, facts, error, as_json)
            if sys.stderr.isatty():
                click.echo(f"\r[{number}/{len(tasks)}]{'' if number < len(tasks) else chr(10)}", nl=False, err=True)
    facts = sum_up(outcome)
    if summary is not None:
        from posecodec.io.filesystem import write_atomic

        write_atomic(summary, json.dumps({**facts, "files": outcome.done}, indent=1, default=str).encode(), True)
    click.echo(json.dumps({"summary": facts}) if as_json else "\n".join(format_summary(facts)))
    if outcome.failed:
        raise PosecodecError(f"{len(outcome.failed)} of {len(tasks)} files failed")


def _run_in_processes(tasks: list[Task], work: Work, settings: Any, jobs: int) -> Results:
    """In processes of one thread each. An interrupt, of which only the parent hears, waits for files that are being done."""
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
    jobs = min(jobs, len(tasks))
    share = get_memory_limit() // jobs
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (share,))
    try:
        waiting = {pool.submit(_try_work, work, task, settings): task for task in tasks}
        for future in as_completed(waiting):
            yield (waiting[future], *future.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(memory: int) -> None:
    """In a process of its own: deaf to interrupts, and with its share of the memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_memory_limit(memory)


def _try_work(work: Work, task: Task, settings: Any) -> tuple[dict[str, Any], PosecodecError | None]:
    """The work, unless just that was done already; what was written by the last run may be replaced, nothing else."""
    memory, asked = task.memory, hash_request(task.source, settings)
    try:
        if not settings.force and memory.holds(asked):
            line = f"{task.source}: done already"
            return {"input": str(task.source), "output": str(memory.output), "skipped": True, "line": line}, None
        ours = memory.output if memory.is_ours() else None
        memory.begin(asked)
        try:
            facts = work(
                task.source, task.target, replace(settings, ours=ours, force=settings.force or memory.is_half_done())
            )
        except PosecodecError:
            memory.give_up()
            raise
        memory.finish(asked, Path(facts["output"]))
    except PosecodecError as error:
        return {}, error
    if ours and not settings.force:
        facts["notes"] = [*facts.get("notes", ()), "was done with other options or from another source; done again"]
    return facts, None


def _report(outcome: Outcome, task: Task, facts: dict[str, Any], error: PosecodecError | None, as_json: bool) -> None:
    if error is not None:
        text = str(error) if str(task.source) in str(error) else f"{task.source}: {error}"
        outcome.failed.append(text)
        click.echo(make_printable(f"error: {text}"), err=True)
        return
    line = facts.pop("line")
    for text in facts.get("notes", ()):
        click.echo(make_printable(f"note: {task.source}: {text}"), err=True)
    click.echo(json.dumps(facts, default=str) if as_json else make_printable(line))
    if facts.get("skipped"):
        outcome.skipped += 1
    else:
        outcome.done.append(facts)


def sum_up(outcome: Outcome) -> dict[str, Any]:
    """Counts, bytes, and errors over all files that were done: the mean by frames and people, and the largest."""
    facts: dict[str, Any] = {"done": len(outcome.done), "skipped": outcome.skipped, "failed": len(outcome.failed)}
    facts["errors"] = outcome.failed
    measured = [f for f in outcome.done if "bytes_out" in f]
    if measured:
        facts |= {name: sum(f[name] for f in measured) for name in ("bytes_in", "bytes_out", "frames")}
        facts["bits_per_frame"] = 8 * facts["bytes_out"] / max(sum(f["frames"] * f["people"] for f in measured), 1)
        facts["error"] = [_average_errors(unit, measured) for unit in sorted({f["unit"] for f in measured})]
    return facts


def _average_errors(unit: str, measured: list[dict[str, Any]]) -> dict[str, Any]:
    known = [f for f in measured if f["unit"] == unit and f["mean"] is not None]
    weight = sum(f["frames"] * f["people"] for f in known)
    mean = sum(f["mean"] * f["frames"] * f["people"] for f in known) / weight if weight else None
    return {"unit": unit, "mean": mean, "max": max((f["max"] for f in known), default=None)}


def format_summary(facts: dict[str, Any]) -> list[str]:
    """The summary in lines."""
    lines = [f"{facts['done']} done, {facts['skipped']} skipped (done before), {facts['failed']} failed"]
    if "bytes_out" in facts:
        ratio = facts["bytes_in"] / max(facts["bytes_out"], 1)
        lines.append(f"bytes   {facts['bytes_in']:,} -> {facts['bytes_out']:,} ({ratio:.0f}x)")
        lines.append(f"frames  {facts['frames']:,}, {facts['bits_per_frame']:.2f} bits a frame and person")
        known = [e for e in facts["error"] if e["max"] is not None]
        lines += [f"error   {e['mean']:.3g} mean / {e['max']:.3g} max {e['unit']}" for e in known]
    if facts["errors"]:
        lines += ["failed:", *(f"  {make_printable(text)}" for text in facts["errors"])]
    return lines
