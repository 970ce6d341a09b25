"""Token streams of a folder of .posec files as a torch dataset: no network runs, only the files' tokens are read."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from posecodec.codec import PoseCodec
from posecodec.coders.tokens.vocabulary import PAD, pad_batch
from posecodec.errors import InputError
from posecodec.io.filesystem import is_posec


class TokenFolder(Dataset[Tensor]):
    """Item i is the stream (n,) int64 of the i-th file with tokens, sorted by name; see `posecodec.coders.tokens.vocabulary`.

    codec: with the weights that the files were encoded with. levels: how many of them; all must have so many.
    Raises InputError if no file of the folder has tokens, and as `PoseCodec.tokens` does.

    >>> import tempfile
    >>> from torch.utils.data import DataLoader
    >>> from posecodec.pose.synthetic import walk
    >>> folder, codec = tempfile.mkdtemp(), PoseCodec.from_pretrained("body3d")
    >>> codec.encode(walk(60), levels=4).save(f"{folder}/walk.posec")
    >>> batches = DataLoader(TokenFolder(folder, codec, 4), batch_size=8, collate_fn=collate)
    >>> [tokens.shape for tokens, _ in batches]
    [torch.Size([1, 51])]
    """

    def __init__(self, folder: str | Path, codec: PoseCodec, levels: int) -> None:
        self.vocabulary = codec.tokenizer.vocabulary(levels)
        grids = {path: codec.tokens(path) for path in sorted(filter(is_posec, Path(folder).glob("*")))}
        self.files = [path for path, found in grids.items() if found]
        self.streams = [self.vocabulary.flatten(grids[path]) for path in self.files]
        if not self.files:
            raise InputError(f"{folder}: no .posec file with tokens; encode recordings with --levels {levels}")

    def __len__(self) -> int:
        return len(self.streams)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.streams[index]).long()


def collate(streams: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(B, n) streams filled up with PAD, and (B, n) whether a token is one of the stream."""
    batch = torch.from_numpy(pad_batch([stream.int().numpy() for stream in streams])).long()
    return batch, batch != PAD
