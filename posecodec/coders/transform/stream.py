"""One person's motion as a range-coded stream, at any accuracy: how it is coded, a step, and its channels.

The mirrored pair is `write_motion` and `read_motion`; docs/bitstream.md specifies the fields.
"""

from __future__ import annotations

from posecodec.bitstream.exp_golomb import get_raw, put_raw
from posecodec.coders.chunk import ChunkContext
from posecodec.coders.transform.basis_choice import BasisChoice, read_basis
from posecodec.coders.transform.block_coder import BlockCoder, decode_channels, encode_channels
from posecodec.coders.transform.coefficient_model import CoefficientModel
from posecodec.coders.transform.weights import TransformTables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.typing import Floats

QP_BITS = 11  # Steps from 2**-64 to almost 2**64 of a channel's unit
FIRST_QP = -(1 << QP_BITS - 1)  # Of the finest step that can be told
LAST_QP = FIRST_QP + (1 << QP_BITS) - 1  # Of the coarsest


def write_motion(
    encoder: RangeEncoder, choice: BasisChoice, qp: int, model: CoefficientModel, guide: Floats | None = None
) -> Floats:
    """Code a stretch with the step of a QP; returns the pose (T, K, D) that the decoder will have.

    guide: a body (T, 19, D) of coco19 that the decoder has already: then only what is left is coded. Raises TooFineError.
    """
    choice.write(encoder)
    put_raw(encoder, qp - FIRST_QP, QP_BITS)
    coder = BlockCoder(model, choice.prior, choice.pinned, qp, guide is not None, choice.is_generic)
    if guide is None:
        return choice.reconstruct(encode_channels(encoder, choice.channels, coder, choice.spectra))
    known = choice.project(guide)
    return choice.reconstruct(encode_channels(encoder, choice.channels - known, coder) + known)


def read_motion(
    decoder: RangeDecoder, context: ChunkContext, tables: TransformTables, guide: Floats | None = None
) -> Floats:
    """The mirror of `write_motion`: (T, K, D) as recorded. Raises CorruptError."""
    choice = read_basis(decoder, context, tables)
    if guide is not None and choice.in_coco19 is None:
        raise CorruptError("a refinement of keypoints that no windows stand for; get the file again")
    qp = get_raw(decoder, QP_BITS) + FIRST_QP
    coder = BlockCoder(tables.model, choice.prior, choice.pinned, qp, guide is not None, choice.is_generic)
    channels = decode_channels(decoder, context.frames, len(choice.pinned), coder)
    return choice.reconstruct(channels + choice.project(guide))
