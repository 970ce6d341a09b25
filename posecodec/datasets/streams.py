"""Corpora as torch datasets: windows of decoded motion, and streams of tokens, shuffled, shared among workers and ranks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from posecodec.codec import PoseCodec
from posecodec.corpus.reading import Corpus
from posecodec.errors import UsageError
from posecodec.files import decode


class _Stream(IterableDataset[dict[str, Any]]):
    """Recordings in an order of their own each epoch, each worker and rank its share, items mixed by a buffer.

    epoch: which order; to be counted up by who trains.
    """

    def __init__(self, corpus: Corpus | str | Path, shuffle: int, seed: int, rank: int, ranks: int) -> None:
        if not 0 <= rank < ranks:
            raise UsageError(f"rank {rank} of {ranks}; ranks count from 0")
        self.corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
        self.shuffle, self.seed, self.rank, self.ranks, self.epoch = shuffle, seed, rank, ranks, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        names = [row["id"] for row in self.corpus.rows]
        order = random.Random(f"{self.seed} {self.epoch}")
        if self.shuffle:
            order.shuffle(names)
        mine = names[self.rank * workers + number :: self.ranks * workers]
        items = (item for name in mine for item in self.cut(name))
        return _mix(items, self.shuffle, order) if self.shuffle else items

    def cut(self, name: str) -> Iterator[dict[str, Any]]:
        """The items of one recording."""
        raise NotImplementedError


class Windows(_Stream):
    """Windows of one person's decoded motion: {"positions": (frames, K, D) float32, NaN where missing, "id", "person",
    "start"}.

    frames: of a window; shorter recordings give none. step: frames from one window to the next, `frames` if None. shuffle:
    windows that are mixed with each other, 0 for the order of the corpus. rank, ranks: this process of several that train.
    """

    def __init__(
        self, corpus: Corpus | str | Path, frames: int = 64, step: int | None = None, *, shuffle: int = 1024, seed: int = 0,
        rank: int = 0, ranks: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(corpus, shuffle, seed, rank, ranks)
        self.frames, self.step = frames, step or frames
        if not (self.frames > 0 and self.step > 0):
            raise UsageError(f"windows of {frames} frames, {step} apart; give numbers above 0")

    def cut(self, name: str) -> Iterator[dict[str, Any]]:
        """The windows of one recording in which a person is there at all."""
        sequence = decode(self.corpus.read_file(name))
        for number, person in enumerate(sequence.ids):
            for start in range(0, sequence.frames - self.frames + 1, self.step):
                window = sequence.positions[start : start + self.frames, number]
                if not np.isnan(window).all():
                    points = torch.from_numpy(window.astype(np.float32))
                    yield {"positions": points, "id": name, "person": person, "start": start}


class TokenStreams(_Stream):
    """The tokens of recordings that were encoded as tokens: {"tokens": (n,) int64, "id"}, in the vocabulary of their weights.

    levels: of tokens, as many as a recording has if None, and then read as numbers where the corpus has them so, which is
    hundreds of times faster than decoding them; otherwise as `Windows`.
    """

    def __init__(
        self, corpus: Corpus | str | Path, levels: int | None = None, *, shuffle: int = 1024, seed: int = 0, rank: int = 0,
        ranks: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(corpus, shuffle, seed, rank, ranks)
        self.levels, self._codecs = levels, dict[bytes, PoseCodec]()

    def cut(self, name: str) -> Iterator[dict[str, Any]]:
        """The one stream of a recording. Raises UsageError where it has no tokens."""
        stored = self.corpus.read_tokens(name) if self.levels is None else None
        if stored is not None:
            yield {"tokens": torch.from_numpy(stored.astype(np.int64)), "id": name}
            return
        from posecodec.bitstream.container import read_header
        from posecodec.zoo import find_named

        data = self.corpus.read_file(name)
        named = read_header(data).weights
        if named not in self._codecs:
            self._codecs[named] = PoseCodec.from_pretrained(find_named(named))
        codec = self._codecs[named]
        grids = codec.tokens(data)
        if not grids:
            raise UsageError(f"{name}: has no tokens; encode the corpus with --levels")
        stream = codec.tokenizer.vocabulary(self.levels or grids[0].levels).flatten(grids)
        yield {"tokens": torch.from_numpy(np.asarray(stream, np.int64)), "id": name}


def _mix(items: Iterator[dict[str, Any]], size: int, order: random.Random) -> Iterator[dict[str, Any]]:
    """Items in an order mixed by a buffer of a size."""
    held: list[dict[str, Any]] = []
    for item in items:
        if len(held) < size:
            held.append(item)
            continue
        place = order.randrange(size)
        yield held[place]
        held[place] = item
    order.shuffle(held)
    yield from held
