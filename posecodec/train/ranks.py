"""Several processes that train one network, on one machine or on many: `torchrun --nproc-per-node 2 -m posecodec train ...`.

Each draws windows of its own; gradients and what codebooks follow are averaged after each step, so that all have the same
network all the time. The first alone validates, writes and exports.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from posecodec.networks.vector_quantizer import ResidualQuantizer


@dataclass(frozen=True)
class Ranks:
    """Which of so many processes this is."""

    rank: int = 0
    count: int = 1

    @staticmethod
    def join(device: str) -> Ranks:
        """As torchrun says in the environment, if it started this process; then all wait for each other."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return Ranks()
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return Ranks(distributed.get_rank(), count)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def key(self) -> tuple[int, ...]:
        """What is added to the key of a generator of windows: nothing for the first, which draws what one alone would."""
        return (self.rank,) if self.rank else ()

    def choose_device(self, device: str) -> str:
        """A GPU of this process's own, where "cuda" says no number."""
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and self.count > 1 else device

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """The mean of all processes' gradients, in all of them."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                if parameter.grad is not None:
                    self._average(parameter.grad)

    def average_codes(self, model: nn.Module) -> None:
        """Codebooks as all processes' windows move them."""
        if self.count == 1:
            return
        for quantizer in [module for module in model.modules() if isinstance(module, ResidualQuantizer)]:
            self._average(quantizer.uses)
            self._average(quantizer.sums)
            quantizer.codebooks.copy_(quantizer.sums / quantizer.uses.clamp_min(1e-6).unsqueeze(-1))

    def _average(self, values: Tensor) -> None:
        distributed.all_reduce(values)
        values /= self.count

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Ranks()
