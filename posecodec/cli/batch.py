"""Many files: which there are, where each goes, doing them in one or several processes, and what came of it.

A tree is mirrored. A file that fails is listed at the end and the others go on; an interrupt finishes the files that are
being written and leaves the rest for the next time, which skips what `resuming` remembers as done.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from posecodec.cli.common import (
    LONGEST_LIST,
    STREAM,
    describe_damage,
    is_folder,
    show,
    show_lines,
    show_note,
)
from posecodec.cli.progress import open_bar
from posecodec.cli.resuming import Entry, Memory, hash_request, read_manifest
from posecodec.errors import InputError, MissingFileError, PosecodecError, UsageError, describe_failure

Work = Callable[[Path, Path, Any], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A file or recording folder, the file to make of it, and what is known of that from the last run."""

    source: Path
    target: Path
    memory: Memory | None = None  # None beside the source: nothing is remembered there


Results = Generator[tuple[Task, dict[str, Any], str | None], None, None]  # facts, or what went wrong
_KILLED = "its process was killed, as happens where memory runs out; split it, or take fewer processes (-j)"


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
    from posecodec.io.filesystem import is_posec

    if is_posec(source) and _is_same(source, target):
        what = "a .posec file already; `posecodec decode` gives the recording back"
        raise UsageError(f"{target}: is {what}; write the result to another file")
    check_output(source, target, (".posec",))


def check_output(source: Path, target: Path, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError where a file would replace its own source, or be called as another format's.

    suffixes: of the format, none where the target's suffix decides.
    """
    if _is_same(source, target):
        raise UsageError(f"{target}: is the input; write the result to another file")
    check_suffix(target, suffixes)


def check_suffix(target: Path, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError where a file of a format with such suffixes, if any, would be called as another format's."""
    from posecodec.io.filesystem import find_suffix
    from posecodec.io.registry import list_suffixes

    suffix = find_suffix(target)
    if suffixes and suffix in {".posec", *list_suffixes()} - {*suffixes}:
        named = f"the output {suffixes[0]}" if suffixes[0] else "the folder by a name without one"
        raise UsageError(f"{target}: {suffix} is the suffix of another format; call {named}")


def _is_same(source: Path, target: Path) -> bool:
    return target.exists() and source.exists() and target.samefile(source)


def choose_target(source: str, output: str | None, suffix: str) -> Path | None:
    """Where one recording goes; None for standard output."""
    from posecodec.io.filesystem import strip_suffix

    if output == STREAM or (output is None and source == STREAM):
        return None
    path = Path(source)
    if output is None:
        stem = path.resolve().name if path.is_dir() else strip_suffix(path).name
        return path.with_name(f"{stem}{suffix}")
    return Path(output) / f"{strip_suffix(path).name}{suffix}" if is_folder(output) else Path(output)


def plan(inputs: tuple[str, ...], output: str | None, format: str | None, suffix: str) -> list[Task]:
    """All recordings of the inputs, each with its file under the output folder, or beside it where there is none.

    Two sources of one stem keep their suffixes in the names; what the last run wrote keeps its name whatever comes beside it.
    Raises UsageError for folders without a folder to write to, InputError where a folder holds no recording.
    """
    from posecodec.io.filesystem import find_suffix, is_posec
    from posecodec.io.registry import list_suffixes

    if output is None and not any(Path(name).is_dir() or name == STREAM for name in inputs):
        return _plan_beside(inputs, format, suffix)
    if output is None or output == STREAM:
        raise UsageError("a folder, or several inputs with one, need -o DIR")
    is_file = is_posec(output) or find_suffix(output) in list_suffixes()
    if not is_folder(output) and (Path(output).exists() or is_file):
        raise UsageError(f"{output}: is a file, or called as one; several inputs need a folder, such as {output}/")
    if suffix == ".posec":
        _refuse_frames(inputs, format)
    found = [pair for name in inputs for pair in _find_recordings(Path(name), format, suffix)]
    root, known = Path(output), read_manifest(Path(output))
    targets = _name_targets([path for _, path in found], suffix, known)
    repeated = [target for target, count in Counter(targets).items() if count > 1]
    if repeated:
        raise UsageError(f"several inputs would become {repeated[0]}; encode them to different folders")
    tasks = []
    for (source, path), target in zip(found, targets, strict=True):
        entry = replace(known.get(target.as_posix(), Entry(target.as_posix())), source=path.as_posix())
        tasks.append(Task(source, root / target, Memory(root, entry)))
    return tasks


def _name_targets(paths: list[Path], suffix: str, known: dict[str, Entry]) -> list[Path]:
    """What sources under the input become under the output. known: what the last run wrote there."""
    from posecodec.io.filesystem import strip_suffix

    def add_suffix(path: Path) -> Path:
        return path.with_name(f"{path.name}{suffix}")

    def find_former(path: Path) -> Path | None:
        entries = ((target, known.get(target.as_posix())) for target in map(add_suffix, (strip_suffix(path), path)))
        return next((target for target, entry in entries if entry and entry.source == path.as_posix()), None)

    stems, former = Counter(map(strip_suffix, paths)), {path: find_former(path) for path in paths}
    taken = set(former.values())
    short = {path: add_suffix(strip_suffix(path)) for path in paths if stems[strip_suffix(path)] == 1}
    free = {path: target for path, target in short.items() if target not in taken}
    return [former[path] or free.get(path) or add_suffix(path) for path in paths]


def _plan_beside(inputs: tuple[str, ...], format: str | None, suffix: str) -> list[Task]:
    if suffix == ".posec":
        _refuse_frames(inputs, format)
    targets = [choose_target(name, None, suffix) for name in inputs]
    for target, count in Counter(targets).items():
        if count > 1:
            raise UsageError(f"several inputs would become {target}; encode them to different folders")
    return [Task(Path(name), target) for name, target in zip(inputs, targets, strict=True) if target is not None]


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
    others: list[Path] = []
    found = [(source, source.relative_to(path)) for source in find_recordings(path, format, suffix, others)]
    if not found:
        raise InputError(f"{path}: no pose files in this folder; `posecodec formats` lists what is known")
    if others and suffix == ".posec":
        named = ", ".join(str(other.relative_to(path)) for other in others[:LONGEST_LIST])
        more = f", and {len(others) - LONGEST_LIST} more" if len(others) > LONGEST_LIST else ""
        are = "1 file is no recording" if len(others) == 1 else f"{len(others)} files are no recordings"
        show_note(f"{path}: {are}: {named}{more}")
    return found


def find_recordings(folder: Path, format: str | None, suffix: str, others: list[Path] | None = None) -> list[Path]:
    """Recordings in a tree, sorted. suffix: of what is to be made of them. others: gets the files that are none."""
    return sorted(_walk(folder, format, suffix, [] if others is None else others))


def _walk(
    folder: Path, format: str | None, suffix: str, others: list[Path], above: tuple[Path, ...] = ()
) -> Iterator[Path]:  # fmt: skip
    """Recordings in a tree; a link that leads back up is not followed."""
    from posecodec.io.filesystem import is_posec

    above = (*above, folder.resolve())
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        yield folder  # reading it fails with a message, and the others go on
        return
    for path in inside:
        is_folder, is_wanted = _classify(path, format, suffix)
        if is_wanted:
            yield path
        elif is_folder and path.resolve() not in above:
            yield from _walk(path, format, suffix, others, above)
        elif not is_folder and not path.name.startswith(".") and not is_posec(path):
            others.append(path)


def _classify(path: Path, format: str | None, suffix: str) -> tuple[bool, bool]:
    """Whether something is a folder, and whether it is a recording: what cannot be looked at is, and reading it says why."""
    if path.name.startswith("."):
        return False, False
    try:
        if path.is_dir():
            return True, is_single((str(path),), format)
        is_ordinary = path.is_file() or not path.exists()  # a pipe or a device would be waited for, for ever
        return False, is_ordinary and _is_wanted(path, format, suffix)
    except (OSError, MemoryError):
        return False, True


def _is_wanted(path: Path, format: str | None, suffix: str) -> bool:
    """Whether a file of a folder is to be done: .posec files for decoding, pose files for encoding."""
    from posecodec import io
    from posecodec.io.filesystem import find_suffix, is_posec

    if suffix != ".posec":
        return is_posec(path)
    if format is not None:
        return find_suffix(path) in io.FORMATS[io.find_format(path, format)].suffixes
    known = {s for f in io.FORMATS.values() for s in f.suffixes} - {"", ".txt"}
    if find_suffix(path) not in known:
        return False
    with contextlib.suppress(PosecodecError):
        return not io.FORMATS[io.detect(path).format].is_write_only
    return path.stat().st_size == 0


def list_plan(plan: Sequence[Task | tuple[str, Path | None]], as_json: bool) -> None:
    """Show what would be made of what. Raises MissingFileError for what is not there."""
    pairs = [(str(task.source), task.target) if isinstance(task, Task) else task for task in plan]
    for source, target in pairs:
        if source != STREAM and "://" not in source and not Path(source).exists():
            raise MissingFileError(f"{source}: no such file; check the path")
        name = STREAM if target is None else str(target)
        exists = target is not None and target.exists()
        facts = {"input": source, "output": name, "exists": exists}
        show(facts, f"{source} -> {name}{' (exists)' if exists else ''}", as_json)


def run(tasks: list[Task], work: Work, settings: Any, jobs: int, as_json: bool, summary: Path | None) -> None:
    """Do all tasks, print each and the whole. Raises PosecodecError if some failed."""
    check_summary(summary)
    if tasks[0].memory is not None:
        _make_folder(tasks[0].memory.root)
    outcome = Outcome()
    with contextlib.closing(_run_here_or_there(tasks, work, settings, jobs)) as results, open_bar(len(tasks)) as bar:
        for task, facts, error in results:
            with bar.make_way():
                _report(outcome, task, facts, error, as_json)
            bar.advance()
    facts = sum_up(outcome)
    show({"summary": facts}, format_summary(facts), as_json)
    write_summary(summary, outcome)
    if outcome.failed:
        raise PosecodecError(f"{len(outcome.failed)} of {len(tasks)} files failed")


def check_summary(summary: Path | None) -> None:
    """Raises UsageError where a summary cannot be written, before any work."""
    if summary is not None and not summary.parent.is_dir():
        raise UsageError(f"--summary {summary}: the folder {summary.parent} does not exist; make it first")


@contextlib.contextmanager
def summarize(summary: Path | None, name: str) -> Iterator[Outcome]:
    """What comes of a single input, for its summary, which is written in the end, also where the input fails.

    Raises UsageError where it cannot be written, before any work.
    """
    check_summary(summary)
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:
        outcome.failed.append(_name_failure(name, describe_failure(error)))
        with contextlib.suppress(PosecodecError):  # of two failures the first is told
            write_summary(summary, outcome)
        raise
    write_summary(summary, outcome)


def _name_failure(name: object, text: str) -> str:
    return text if str(name) in text else f"{name}: {text}"


def write_summary(summary: Path | None, outcome: Outcome) -> None:
    """What came of all files, as JSON, where it is asked for."""
    if summary is not None:
        from posecodec.io.filesystem import write_atomic

        facts = {**sum_up(outcome), "files": outcome.done}
        write_atomic(summary, json.dumps(facts, indent=1, default=str).encode(), True)


def _run_here_or_there(tasks: list[Task], work: Work, settings: Any, jobs: int) -> Results:
    """All tasks, each with its facts or with what went wrong."""
    do = functools.partial(_try_work, work=work, settings=settings)
    if jobs == 1:
        for task in tasks:
            yield (task, *do(task))
        return
    from posecodec.cli.workers import run_tasks

    for task, found in run_tasks(do, tasks, min(jobs, len(tasks)), _look_again):
        yield (task, *(({}, _KILLED) if found is None else found))


def _look_again(task: Task) -> Task:
    """The task as it is after a process was killed at it."""
    if task.memory is None:
        return task
    entry = read_manifest(task.memory.root).get(task.memory.entry.file, task.memory.entry)
    return replace(task, memory=replace(task.memory, entry=entry))


def _try_work(task: Task, work: Work, settings: Any) -> tuple[dict[str, Any], str | None]:
    """The work, unless just that was done already: facts, or what went wrong, whatever it was.

    What was written by the last run may be replaced, nothing else.
    """
    try:
        return _do_work(task, work, settings), None
    except Exception as error:
        return {}, describe_failure(error)


def _do_work(task: Task, work: Work, settings: Any) -> dict[str, Any]:
    from posecodec.io.filesystem import refuse_existing

    memory = task.memory
    is_file = task.target.suffix == ".posec"  # what is decoded is looked for when it has its format's suffix
    if memory is None:
        if is_file:
            refuse_existing(task.target, settings.force)
        return work(task.source, task.target, settings)
    asked = hash_request(task.source, settings)
    if not settings.force and memory.holds(asked):
        line = f"{task.source}: done already"
        return {"input": str(task.source), "output": str(memory.output), "skipped": True, "line": line}
    _make_folder(task.target.parent)
    is_ours = memory.is_ours()
    ours = memory.output if is_ours else None
    if is_file and memory.entry.asked:  # also where it was changed since
        ours = task.target
    memory.begin(asked)
    try:
        facts = work(
            task.source, task.target, replace(settings, ours=ours, force=settings.force or memory.is_half_done())
        )
    except Exception:
        memory.give_up()
        raise
    memory.finish(asked, Path(facts["output"]))
    if is_ours and not settings.force:
        facts["notes"] = [*facts.get("notes", ()), "was done with other options or from another source; done again"]
    return facts


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be made ({error.strerror}); choose another output") from error


def _report(outcome: Outcome, task: Task, facts: dict[str, Any], error: str | None, as_json: bool) -> None:
    if error is not None:
        text = _name_failure(task.source, error)
        outcome.failed.append(text)
        show_lines(f"error: {text}", True)
        return
    line = facts.pop("line")
    for text in facts.get("notes", ()):
        show_note(f"{task.source}: {text}")
    show(facts, line, as_json)
    if facts.get("damage"):
        outcome.failed.append(describe_damage(task.source, facts["damage"]))
    elif facts.get("skipped"):
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
        lines += ["failed:", *(f"  {text}" for text in facts["errors"])]
    return lines
