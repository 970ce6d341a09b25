"""The training of a paper's system, top to bottom: windows, a first codebook, steps, validation, checkpoints.

`steps` runs it. Every window is drawn from a generator seeded by the step. The paper's perceptual loss needs weights of a
picture network that come with no package; the structural similarity that its table is measured by stands in for it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from posecodec.coders.tokens.grid_network import load_network
from posecodec.errors import InputError
from posecodec.networks import image_metrics
from posecodec.networks.config import from_dict
from posecodec.networks.dense_vqgan import PaperDiscriminator
from posecodec.networks.grid_config import GridConfig
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.networks.vector_quantizer import ResidualQuantizer, find_nearest
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.train import data, grid_windows, losses, panoptic
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.checkpoint import State
from posecodec.train.clips import Clip, load_clips
from posecodec.train.discriminator import PatchDiscriminator
from posecodec.train.grid_config import GridTraining
from posecodec.train.ranks import ALONE, Ranks
from posecodec.train.schedule import set_rates
from posecodec.zoo import Weights, name_weights

JUDGE_RATE = 2e-4  # Learning rate of the discriminator
LOWEST_RATE = 0.02  # Share of the peak learning rate that is left at the last step
START_BATCHES = 8  # That the first codebook is fitted to
PANOPTIC = "panoptic:"  # What a path to a tree of the CMU Panoptic Studio begins with
EGOCENTRIC = "c2d-2d"  # The system that the paper trains on its other ten cameras
VALIDATION_KEY = 2**31  # Of the generator that validation windows are drawn by, apart from those of steps


class GridTrainer:
    """One run of a config."""

    def __init__(self, config: GridTraining, device: str = "cpu", ranks: Ranks = ALONE) -> None:
        self.config, self.device, self.ranks = config, torch.device(device), ranks
        self.skeleton = get_builtin(config.data.skeleton)
        self.cameras = self._load_cameras()
        clips = self._load_clips("train", config.data.train)
        self.bones = data.measure_bone_shares(clips, self.skeleton)
        self.motion = data.canonicalize(clips, self.skeleton, self.bones)
        self.val = data.canonicalize(self._load_clips("val", config.data.val), self.skeleton, self.bones)
        torch.manual_seed(config.seed)
        self.state = self._build_state()

    def _load_clips(self, split: str, paths: tuple[str, ...]) -> list[Clip]:
        """Clips of paths, of which one may be "panoptic:DIR"."""
        trees = [path.removeprefix(PANOPTIC) for path in paths if path.startswith(PANOPTIC)]
        clips = [clip for tree in trees for clip in panoptic.load_panoptic(Path(tree), split)]
        others = tuple(path for path in paths if not path.startswith(PANOPTIC))
        return clips + (load_clips(others, self.skeleton) if others or not clips else [])

    def _load_cameras(self) -> Cameras | None:
        """Those of the calibration file, or of "panoptic:DIR"; None where the system needs none."""
        volumes, path = (self.config.model.source, self.config.model.target), self.config.data.cameras
        if all(volume.views not in ("image", "cameras") for volume in volumes):
            return None
        if path is None:
            raise InputError(f"{self.config.system} sees motion through cameras: name a calibration in [data], cameras")
        if path.startswith(PANOPTIC):
            nodes = panoptic.EGO if self.config.system == EGOCENTRIC else panoptic.EXO
            return panoptic.load_panoptic_cameras(Path(path.removeprefix(PANOPTIC)), nodes)
        return load_cameras(path)

    def _build_state(self) -> State[GridVQGAN]:
        config = self.config
        model = GridVQGAN(config.model).to(self.device)
        channels, dense = config.model.channels[1], config.model.network == "dense"
        judge = PaperDiscriminator(channels) if dense else PatchDiscriminator(channels, config.model.grid)
        groups = [{"params": list(model.parameters()), "peak": config.learning_rate}]
        optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.99), weight_decay=config.weight_decay)
        judge_optimizer = torch.optim.Adam(judge.parameters(), lr=JUDGE_RATE, betas=(0.5, 0.9))
        return State(model, judge.to(self.device), optimizer, judge_optimizer)

    def draw(self, rng: torch.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """Source and target volumes of a batch of training windows."""
        config, how = self.config.model, self.config.sampling
        windows = grid_windows.cut_windows(self.motion, batch, config, how, self.cameras, rng)
        return grid_windows.draw_pair(windows, config, how, rng)

    def begin_with(self, weights: Weights) -> None:
        """Take the network of a weights file for the start, with its codes where as many of a kind are wanted.

        Raises WeightsError if it has another shape.
        """
        model, wanted = self.state.model, self.config.model
        with name_weights(weights.name):
            theirs = from_dict(GridConfig, weights.settings["network"])
        twin = load_network(weights, replace(wanted, codes=theirs.codes, quantizer=theirs.quantizer), "cpu")
        model.encoder.load_state_dict(twin.encoder.state_dict())
        model.decoder.load_state_dict(twin.decoder.state_dict())
        if (theirs.codes, theirs.quantizer) == (wanted.codes, wanted.quantizer):
            model.quantizer.load_state_dict(twin.quantizer.state_dict())
        if isinstance(model.quantizer, ResidualQuantizer):  # as if each code had been used alike
            model.quantizer.sums.copy_(model.quantizer.codebooks * model.quantizer.uses.unsqueeze(-1))

    @torch.no_grad()
    def start(self) -> None:
        """A first codebook by k-means of what the untrained encoder says; the paper's starts as it is."""
        quantizer = self.state.model.quantizer
        if isinstance(quantizer, ResidualQuantizer) and not quantizer.codebooks.any():
            rng = data.build_generator(self.config.seed, 0)
            batches = [self.draw(rng, self.config.batch)[0] for _ in range(START_BATCHES)]
            latents = torch.cat([self.encode(source.to(self.device)).flatten(0, -2).cpu() for source in batches])
            repeats = -(-self.config.model.codes // len(latents))
            quantizer.cpu().fit(latents.repeat(repeats, 1) + 1e-3 * torch.randn(1, generator=rng), rng)
            quantizer.to(self.device)

    def _choose_precision(self) -> torch.autocast:
        """bfloat16 on a device that computes with it, and not on one that would emulate it, 4 to 20 times slower."""
        quick = self.device.type != "cpu" or has_bfloat16()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=quick)

    def encode(self, source: Tensor) -> Tensor:
        """Latents, computed in half precision where that is quick."""
        with self._choose_precision():
            latents: Tensor = self.state.model.encode(source)
        return latents.float()

    def tokenize(self, source: Tensor) -> Tensor:
        """Tokens (B, t, h, w)."""
        return find_nearest(self.encode(source), self.state.model.codebook)

    def decode(self, latents: Tensor) -> Tensor:
        """Heatmaps, computed likewise."""
        with self._choose_precision():
            volume: Tensor = self.state.model.decode(latents)
        return volume.float()

    def step(self) -> dict[str, float]:
        """One update of generator and, from its step on, discriminator. Returns the losses."""
        config, weights, state = self.config, self.config.losses, self.state
        rng = data.build_generator(config.seed, state.step + 1, *self.ranks.key)
        set_rates(state.optimizer, state.step, config.steps, config.warmup, LOWEST_RATE)
        source, target = (volume.to(self.device) for volume in self.draw(rng, config.batch))
        state.model.train()
        latents = self.encode(source)
        if isinstance(state.model.quantizer, ResidualQuantizer):
            used = torch.ones(len(latents), dtype=torch.long, device=latents.device)
            quantized, commitment = state.model.quantizer(latents, used, rng)
        else:
            quantized, commitment = state.model.quantizer(latents)
        made = self.decode(quantized)
        parts = {
            "cross": losses.measure_cross_entropy(made, target) if weights.cross else torch.zeros(()),
            "binary": losses.measure_binary(made, target) if weights.binary else torch.zeros(()),
            "l1": (made - target).abs().mean(),
            "square": (made - target).square().mean(),
            "ssim": 1 - image_metrics.measure_ssim(made, target).mean() if weights.ssim else torch.zeros(()),
            "commitment": commitment,
        }
        total = sum((getattr(weights, name) * value for name, value in parts.items()), torch.zeros(()))
        judged = weights.adversarial_from and state.step >= weights.adversarial_from
        if judged:
            fooling = -state.judge(made).mean()
            balance = losses.measure_balance(total, fooling, state.model.last_layer)
            total = total + weights.adversarial * balance * fooling
            parts["fooling"] = fooling
        self._update(state.optimizer, total, state.model)
        if judged:
            parts["judge"] = losses.measure_hinge(state.judge(target), state.judge(made.detach()))
            self._update(state.judge_optimizer, parts["judge"], state.judge)
        self.ranks.average_codes(state.model)
        state.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, module: torch.nn.Module) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(module.parameters())
        torch.nn.utils.clip_grad_norm_(module.parameters(), self.config.clip)
        optimizer.step()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The paper's columns, and the share of codes used, on fixed windows of the validation split."""
        config, model = self.config, self.state.model.eval()
        rng, found, used = data.build_generator(config.seed, VALIDATION_KEY), [], []
        how = replace(config.sampling, mirror=0.0, bones=0.0, jitter=0.0, missing=0.0)
        for _ in range(config.val_windows):
            windows = grid_windows.cut_windows(self.val, 1, config.model, how, self.cameras, rng)
            source, target = (v.to(self.device) for v in grid_windows.draw_pair(windows, config.model, how, rng))
            tokens = self.tokenize(source)
            made = self.decode(model.codebook[tokens])
            used.append(tokens.flatten())
            ssim = image_metrics.measure_ssim(made, target).mean()
            psnr = image_metrics.measure_psnr(made, target, (-1, -2, -3)).mean()
            found.append((float(ssim), float(psnr), float((made - target).abs().mean())))
        ssim, psnr, l1 = (sum(column) / len(found) for column in zip(*found, strict=True))
        codes = len(torch.cat(used).unique()) / config.model.codes
        return {"ssim": round(ssim, 4), "psnr": round(psnr, 2), "l1": round(l1, 5), "codes": round(codes, 3)}


def has_bfloat16() -> bool:
    """Whether this processor computes with bfloat16; False where torch is too old to tell."""
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name) for name in ("avx512_bf16", "amx_bf16"))
