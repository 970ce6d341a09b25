"""Train a tiny next-token model on a folder of .posec files and sample motion from it.

    posecodec encode recordings/ -o clips/ --levels 4
    python docs/next_token.py clips/ sampled.npz --levels 4

A GRU of a million weights, a few minutes on a CPU. It is an example of the interface, not a good motion model.
"""

from __future__ import annotations

import math
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import posecodec
from posecodec.coders.tokens.vocabulary import END, PAD, PERSON, SPECIAL, START, Vocabulary
from posecodec.train.tokens import TokenFolder, collate


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


@torch.no_grad()
def sample(model: NextToken, vocabulary: Vocabulary, steps: int, warmth: float = 0.9) -> np.ndarray:
    """A stream of one person of so many steps."""
    stream, state = [START, PERSON], None
    logits, state = model(torch.tensor([stream]))
    for _ in range(steps * vocabulary.tokens_per_step):
        chances = (logits[0, -1, SPECIAL:] / warmth).softmax(0)
        stream.append(SPECIAL + int(torch.multinomial(chances, 1)))
        logits, state = model(torch.tensor([stream[-1:]]), state)
    return np.array([*stream, END], np.int32)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--model", default="body3d", show_default=True)
@click.option("--levels", default=4, show_default=True)
@click.option("--steps", default=300, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
def main(folder: Path, output: Path, model: str, levels: int, steps: int, seconds: float) -> None:
    """Train on FOLDER and write sampled motion to OUTPUT."""
    torch.manual_seed(0)
    codec = posecodec.PoseCodec.from_pretrained(model)
    data = TokenFolder(folder, codec, levels)
    network = NextToken(data.vocabulary.size)
    bits = train(network, data, steps)
    shape = codec.tokenizer.config
    stream = sample(network, data.vocabulary, math.ceil(seconds * shape.rate / shape.step))
    motion = codec.detokenize(data.vocabulary.unflatten(stream), fps=30.0)
    posecodec.save(motion, output)
    click.echo(f"{output}: {motion.frames} frames sampled, {bits:.2f} bits a token at the end of training")


if __name__ == "__main__":
    main()
