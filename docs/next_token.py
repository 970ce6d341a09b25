"""Train a tiny next-token model on a folder of .posec files and sample motion from it.

    posecodec encode recordings/ -o clips/ --levels 4
    python docs/next_token.py clips/ sampled.npz --levels 4

A GRU of half a million weights, a few minutes on a CPU. It is an example of the interface, not a good motion model.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import posecodec
from posecodec.streams import PAD, PERSON, START, Vocabulary
from posecodec.train.tokens import TokenFolder, collate


class NextToken(nn.Module):
    """Logits (B, n, V) of what follows each token of (B, n)."""

    def __init__(self, size: int, width: int = 128) -> None:
        super().__init__()
        self.embed = nn.Embedding(size, width)
        self.read = nn.GRU(width, width, 2, batch_first=True)
        self.say = nn.Linear(width, size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.say(self.read(self.embed(tokens))[0])


def train(model: NextToken, data: TokenFolder, steps: int) -> float:
    """Cross-entropy in bits per token at the end."""
    loader = DataLoader(data, batch_size=8, shuffle=True, collate_fn=collate)
    optimizer, loss, step = torch.optim.AdamW(model.parameters(), 2e-3), torch.zeros(()), 0
    while step < steps:
        for batch, _ in loader:
            logits = model(batch[:, :-1])
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=PAD)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return loss.item() / float(np.log(2))


@torch.no_grad()
def sample(model: NextToken, vocabulary: Vocabulary, latent_steps: int, warmth: float = 0.9) -> np.ndarray:
    """A stream of one person of so many latent steps; at every place only tokens of its level are allowed."""
    stream = [START, PERSON]
    per_step = vocabulary.levels * vocabulary.cells[0] * vocabulary.cells[1]
    for place in range(latent_steps * per_step):
        allowed = vocabulary.allowed(place)
        logits = model(torch.tensor([stream]))[0, -1, allowed] / warmth
        stream.append(allowed.start + int(torch.multinomial(logits.softmax(0), 1)))
    return np.array(stream, np.int32)


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
    stream = sample(network, data.vocabulary, max(1, round(seconds * 30 / data.vocabulary.frames_per_step)))
    motion = codec.detokenize(data.vocabulary.unflatten(stream), fps=30.0)
    posecodec.save(motion, output)
    click.echo(f"{output}: {motion.frames} frames sampled, {bits:.2f} bits a token at the end of training")


if __name__ == "__main__":
    main()
