"""Counts what a reader of the code meets: `python tests/structure.py [FOLDER ...]` prints it, test_structure.py holds it.

A function's name should be a verb, a question or, of a property, a value. One-word names that are none of these are counted,
those of properties, commands and tests are not; a verb that is not in VERBS yet is added to it.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PASSAGE = 8  # Lines that make a passage
VERBS = frozenset(
    """
    abort accept accumulate adapt add advance align allow analyze append apply approximate ask assemble assert assign
    attach average balance begin bind bisect blend bound bridge broadcast build cache call canonicalize check choose
    classify clean clear clip close code collapse collate collect combine compare complete compose compress compute
    concatenate conclude confirm convert copy correct count cover create crop cut damage deblock decode decompress deduplicate
    define degrade delete dequantize describe detect detokenize diagnose diff discard distribute divide download draft draw
    drop dump echo embed emit encode ensure enter enumerate escape estimate evaluate exclude exit expand explain
    export extend extract extrapolate face feed fetch fill film filter find finish fit fix flatten flip flush fold
    follow forget format forward freeze gather generate get give group guess halve handle hang hash hold ignore import
    improve include infer initialize insert inspect interpolate intersect invert join judge keep label launch lay
    learn lengthen lift limit link list load locate lock log look lower main make map mark mask match measure merge mirror mix
    move multiply name narrow normalize note number offer omit open order pack pad pair parse partition pass peek
    perturb pick place plan play plot pop predict prefer prefix prepare price print process project promise propagate
    prune pull push put quantize query raise rank reach read reconstruct record recover reduce refine register reject
    relabel release remove rename render reorder repair repeat replace report request require rescale reserve reset
    reshape resolve resume retry return reverse revive rotate round run sample save say scale scan score search see
    seek select send separate serialize set settle shift show shrink shuffle sign simplify skip smooth sniff soften solve
    sort spell split spread squash stack start state step stop store stretch strip subtract suggest sum summarize swap
    synthesize tabulate take tell test time tokenize touch trace track train transform translate transpose triangulate trim
    truncate try turn undo unflatten unfold unify unite unpack unpickle unquote unwrap update upgrade upsample use
    validate verify view visit wait walk warn watch weigh widen wrap write suit shrink restore renumber resample
    """.split()
)


@dataclass(frozen=True)
class Function:
    """One function of a file; `lines` counts its decorators and docstring."""

    path: Path
    name: str
    lines: int
    is_value: bool


def sources(*folders: str) -> list[Path]:
    """Python files, and the page's script and style, below some folders of the repository."""
    found = [p for folder in folders for kind in ("py", "js", "css") for p in (ROOT / folder).rglob(f"*.{kind}")]
    return sorted(p for p in found if "__pycache__" not in p.parts)


def functions(path: Path) -> Iterator[Function]:
    """All functions of a file, those inside others too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            marks = " ".join(ast.unparse(d) for d in node.decorator_list)
            is_value = any(mark in marks for mark in ("property", "command", "group", "fixture"))
            yield Function(path, node.name, (node.end_lineno or first) - first + 1, is_value)


def is_bare(function: Function) -> bool:
    """Whether a name is one word, and that no verb."""
    word = function.name.strip("_")
    return not function.is_value and not function.name.startswith("__") and "_" not in word and word not in VERBS


def passages(paths: list[Path]) -> list[str]:
    """Where the same PASSAGE lines of code stand a second time; blanks, comments and imports do not count."""
    seen: dict[tuple[str, ...], tuple[Path, int]] = {}
    again: dict[tuple[Path, Path], str] = {}
    for path in paths:
        numbered = [(n, line.strip()) for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)]
        code = [(n, line) for n, line in numbered if is_code(line)]
        for i in range(len(code) - PASSAGE + 1):
            key = tuple(line for _, line in code[i : i + PASSAGE])
            if key in seen:
                other, line = seen[key]
                where = f"{other.relative_to(ROOT)}:{line} ~ {path.relative_to(ROOT)}:{code[i][0]}"
                again.setdefault((other, path), where)
            seen.setdefault(key, (path, code[i][0]))
    return list(again.values())


def is_code(line: str) -> bool:
    """Whether a line says something of its own."""
    return len(line) > 2 and not line.startswith(("#", "from ", "import ", "//"))


def main(folders: list[str]) -> None:
    """Print the counts, and what exceeds them."""
    paths = sources(*folders)
    found = [f for path in paths if path.suffix == ".py" for f in functions(path)]
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in paths}
    print(f"{len(paths)} files, {sum(sizes.values()):,} lines; loose modules: {len(loose_modules())}")
    print("files over 450 lines:", *(f"{p.relative_to(ROOT)} ({n})" for p, n in sizes.items() if n > 450))
    lines = [f.lines for f in found]
    print(f"{len(found)} functions: median {statistics.median(lines):g}, longest {max(lines)} lines")
    bare = defaultdict(list)
    for function in filter(is_bare, found):
        bare[str(function.path.relative_to(ROOT))].append(function.name)
    print(f"{sum(map(len, bare.values()))} bare one-word names:")
    for path, names in bare.items():
        print(f"  {path}: {' '.join(names)}")
    twice = passages(paths)
    print(f"{len(twice)} passages of {PASSAGE} lines that stand twice:", *twice, sep="\n  ")


def loose_modules() -> list[str]:
    """Modules of the package that are in no room."""
    return [p.name for p in (ROOT / "posecodec").glob("*.py") if p.name != "__init__.py"]


if __name__ == "__main__":
    main(sys.argv[1:] or ["posecodec"])
