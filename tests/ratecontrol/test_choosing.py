"""What is chosen when coders say this or that of a chunk: stand-ins of coders, whose sizes and errors each test tells."""

from types import SimpleNamespace

import numpy as np
import pytest

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.known_weights import NAME_BYTES
from posecodec.coders.chunk import Candidate, Memo
from posecodec.errors import InputError
from posecodec.ratecontrol import constants
from posecodec.ratecontrol.coder_choice import RateControl
from posecodec.ratecontrol.target import Target

QP = 120
BODY = SimpleNamespace()
FOUND, SMALLER = (300, 40.0), (300 - NAME_BYTES - 1, 40.0)
"""Bytes and errors of a chunk in parts, and of one whose body is of windows, in so few bytes that it is worth it."""


class Coder:
    """A coder as rate control sees it. tell: bytes and error of a chunk at a QP, or what is raised."""

    qp_range = range(80, 225)

    def __init__(self, tell, kind=ChunkKind.TRANSFORM, supports=True):
        self.tell, self.kind, self.there = tell, kind, supports

    def supports(self, chunk):
        return self.there

    def encode(self, chunk, qp=0, **options):
        told = self.tell(chunk, qp, **options)
        if isinstance(told, Exception):
            raise told
        size, error = told
        return Candidate(
            Chunk(f"{self.kind.label}{'+' if 'windows_qp' in options else ''}".encode().ljust(size)), error, error
        )

    def body_chunk(self, chunk):
        return BODY

    def default_qp(self, chunk):
        return QP

    def is_generic(self, chunk):
        return False

    def qp_in_basis(self, chunk, qp):
        return qp

    to_absolute_qp = qp_in_basis

    def qp_for_error(self, chunk, error):
        return QP


NONE = Coder(None, supports=False)
TOO_FINE = Coder(lambda *_, **options: InputError("too fine"), ChunkKind.PARTS)
POINTS = np.arange(30.0).reshape(10, 1, 3)


def chunk(**fields):
    return SimpleNamespace(
        memo=Memo(), points=POINTS, recorded=None, count=10, is_person=True, default_error=1.0, **fields
    )


def choose(transform, windows=NONE, parts=NONE, target=None, predictive=TOO_FINE):
    """The name of the coder that was chosen; of parts with a body of windows, "parts+"."""
    control = RateControl(
        SimpleNamespace(transform=transform, windows=windows, body_parts=parts, predictive=predictive)
    )
    if target is None:
        found = control.choose_smallest(chunk(), QP).chunk
    else:
        (found,) = control.choose(None, [chunk()], target, None).chunks
    return found.base.split()[0].decode()


def of(size, error):
    return lambda chunk, qp, **options: (size, error)


@pytest.mark.parametrize(("error", "chosen"), [(0.0, "windows"), (1e-3, "transform")])
def test_only_exact_windows_stand_for_an_exact_chunk(error, chosen):
    assert choose(Coder(of(500, 0.0)), Coder(of(100, error), ChunkKind.WINDOWS)) == chosen


@pytest.mark.parametrize(("size", "error", "chosen"), [
    (300, 0.0, "parts"), (300, 40.0, "parts"), (401, 0.0, "transform"), (300, 41.0, "transform"),
    (int(400 * constants.MAX_PARTS_RATIO) + 1, 41.0, "transform"),
])  # fmt: skip
def test_parts_are_taken_if_they_are_smaller_and_no_farther_off(size, error, chosen):
    assert choose(Coder(of(400, 40.0)), parts=Coder(of(size, error), ChunkKind.PARTS)) == chosen


def finer(*told):
    """Told one by one, from one finer QP to the next."""
    left, known = list(told), {}
    return lambda qp: known.setdefault(qp, left[0] if len(left) == 1 else left.pop(0))


@pytest.mark.parametrize(("changes", "chosen"), [
    ({}, "parts+"),
    ({"supports": False}, "parts"),
    ({"windows": (500, 40.0)}, "parts"),  # larger than the body by the transform: none is tried
    ({"both": finer((100, 41.0))}, "parts"),  # too far off at each QP that is tried
    ({"both": finer((100, 41.0), SMALLER)}, "parts+"),
    ({"both": finer((FOUND[0] - NAME_BYTES, 40.0))}, "parts"),  # what the weights' name takes is all that it saves
    ({"body": (constants.WINDOWS_BYTES + 1, 40.0)}, "parts"),
    ({"body": InputError("too fine")}, "parts"),
])  # fmt: skip
def test_a_body_of_windows_in_parts_has_to_be_worth_it(changes, chosen):
    told = {"supports": True, "windows": (100, 40.0), "both": finer(SMALLER), "body": (400, 40.0), **changes}
    transform = Coder(lambda chunk, qp: told["body"] if chunk is BODY else (400, 40.0))
    windows = Coder(lambda chunk, qp: told["windows"], ChunkKind.WINDOWS, told["supports"])
    parts = Coder(lambda chunk, qp, windows_qp=None: told["both"](qp) if windows_qp else FOUND, ChunkKind.PARTS)
    assert choose(transform, windows, parts) == chosen


def test_a_coder_that_cannot_hold_a_bound_or_take_a_step_is_left_out():
    bound = Target("max-error", 5.0)
    assert choose(Coder(of(400, 40.0)), parts=TOO_FINE) == "transform"
    assert choose(Coder(of(400, 4.0)), parts=TOO_FINE, target=bound) == "transform"
    assert choose(Coder(of(400, 4.0)), parts=Coder(of(300, 4.0), ChunkKind.PARTS), target=bound) == "parts"
    assert choose(Coder(of(400, 4.0)), parts=Coder(of(300, 5.1), ChunkKind.PARTS), target=bound) == "transform"
    with pytest.raises(InputError, match=r"the recording's own precision allows \(5.1 was reached\)"):
        choose(Coder(of(400, 5.1)), target=bound)


@pytest.mark.parametrize(("size", "error", "chosen"), [(100, 4.0, "predictive"), (100, 5.1, "transform"),
                                                       (399, 4.0, "predictive"), (401, 4.0, "transform")])  # fmt: skip
def test_the_frame_by_frame_coder_is_taken_where_it_is_smaller_and_holds_the_bound(size, error, chosen):
    predictive = Coder(of(size, error), ChunkKind.PREDICTIVE)
    assert choose(Coder(of(400, 4.0)), predictive=predictive, target=Target("max-error", 5.0)) == chosen


def test_the_default_quality_is_searched_for_and_refused_where_no_step_gives_it():
    steps = []

    def tell(chunk, qp):
        steps.append(qp)
        return 400, 10 * 3.0 * 2 ** ((qp - QP) / 16)

    assert choose(Coder(tell), target=Target()) == "transform"
    assert min(steps) <= QP - 16 and steps[-1] < QP
    with pytest.raises(InputError, match="default quality cannot be reached"):
        choose(Coder(of(400, 1e9)), target=Target())
