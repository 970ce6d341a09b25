"""Train a tiny next-token model on a folder of .posec files and sample motion from it.

    posecodec encode recordings/ -o clips/ --levels 8
    python docs/next_token.py clips/ sampled.npz --levels 8

A GRU of a million weights, a few minutes on a CPU. It is an example of the interface, not a good motion model.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import posecodec
from posecodec.coders.tokens.grid import SIZES
from posecodec.coders.tokens.vocabulary import END, PAD, PERSON, SPECIAL, START, Vocabulary
from posecodec.train.tokens import TokenFolder, collate

MOST_TOKENS = 8192
"""Where sampling ends at the latest: an untrained model says more than motion has."""


class NextToken(nn.Module):
    """Logits (B, n, V) of what follows each token of (B, n), and the state that goes on with the next ones."""

    def __init__(self, size: int, width: int = 128) -> None:
        super().__init__()
        self.embed = nn.Embedding(size, width)
        self.read = nn.GRU(width, width, 2, batch_first=True)
        self.say = nn.Linear(width, size)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden, state = self.read(self.embed(tokens), state)
        return self.say(hidden), state


def train(model: NextToken, data: TokenFolder, steps: int) -> float:
    """Cross-entropy in bits per token at the end."""
    loader = DataLoader(data, batch_size=8, shuffle=True, collate_fn=collate)
    optimizer, loss, step = torch.optim.AdamW(model.parameters(), 2e-3), torch.zeros(()), 0
    while step < steps:
        for batch, _ in loader:
            logits, _ = model(batch[:, :-1])
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=PAD)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return loss.item() / float(np.log(2))


def may_follow(vocabulary: Vocabulary, last: int, level: int) -> np.ndarray:
    """(V,) which tokens may stand after one, in a stream of one person. level: that is open, 0 for none."""
    mask = np.zeros(vocabulary.size, bool)
    lengths = [vocabulary.token_of_length(size) for size in SIZES]
    if last == START:
        mask[PERSON] = True
    elif last == PERSON:
        mask[lengths] = True
    elif last < SPECIAL:
        mask[vocabulary.token_of_level(1)] = True
    else:
        passed = (last - vocabulary.first_cell) // 2 + 1 if last >= vocabulary.first_cell else 0
        mask[vocabulary.first_cell + 2 * passed :] = True
        mask[[*lengths, END] if level == vocabulary.levels else vocabulary.token_of_level(level + 1)] = True
    return mask


@torch.no_grad()
def sample(
    model: NextToken, vocabulary: Vocabulary, frames: int, warmth: float = 0.9, most: int = MOST_TOKENS
) -> np.ndarray:
    """A stream of one person of at least so many frames, unless that takes more than so many tokens."""
    stream, state, level, opened = [START], None, 0, 0
    while len(stream) < most:
        mask = may_follow(vocabulary, stream[-1], level)
        if mask[END] and opened >= frames:
            break
        mask[END] = False
        logits, state = model(torch.tensor([stream[-1:]]), state)
        logits = logits[0, -1].masked_fill(~torch.from_numpy(mask), -torch.inf)
        stream.append(int(torch.multinomial((logits / warmth).softmax(0), 1)))
        if PERSON < stream[-1] < SPECIAL:
            level, opened = 0, opened + stream[-1] - PERSON
        elif SPECIAL <= stream[-1] < vocabulary.first_cell:
            level += 1
    return np.array([*stream, END], np.int32)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--model", default="body3d", show_default=True)
@click.option("--levels", default=8, show_default=True)
@click.option("--steps", default=300, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
def main(folder: Path, output: Path, model: str, levels: int, steps: int, seconds: float) -> None:
    """Train on FOLDER and write sampled motion to OUTPUT."""
    torch.manual_seed(0)
    codec = posecodec.PoseCodec.from_pretrained(model)
    data = TokenFolder(folder, codec, levels)
    network = NextToken(data.vocabulary.size)
    bits = train(network, data, steps)
    stream = sample(network, data.vocabulary, round(seconds * 30))
    motion = codec.detokenize(data.vocabulary.unflatten(stream), fps=30.0)
    posecodec.save(motion, output)
    click.echo(f"{output}: {motion.frames} frames sampled, {bits:.2f} bits a token at the end of training")


if __name__ == "__main__":
    main()
