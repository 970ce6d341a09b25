"""The training run, top to bottom: data, a linear start, steps, validation, checkpoints.

`torchrun` gives several processes; each draws its own windows and gradients are averaged. On one process the same code
runs unchanged, on CPU or CUDA. A run that is started again goes on from its checkpoint and ends as if never stopped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from posecodec.networks.heatmap_io import encode_points, render_volume
from posecodec.networks.vqgan import VQGAN
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.train import checkpoint, data, losses, views
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.canonicalize import RADIUS_SHARE
from posecodec.train.checkpoint import State
from posecodec.train.config import STILL, TrainConfig
from posecodec.train.discriminator import PatchDiscriminator
from posecodec.train.schedule import set_rates
from posecodec.train.validate import validate

START_WINDOWS = 2048  # Windows that the linear path and the first codebooks are fitted to
START_BATCH = 32  # Of these, windows that are encoded at once
JUDGE_RATE = 2e-4  # Learning rate of the discriminator
LOWEST_RATE = 0.02  # Share of the peak learning rate that is left at the last step
LOG_EVERY = 20  # Steps between two records of the losses


class Trainer:
    """One run of a config. `run` trains; `draw_windows` draws training windows as the model takes them."""

    def __init__(self, config: TrainConfig, device: str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)
        self.rank = int(os.environ.get("RANK", "0"))
        self.ranks = int(os.environ.get("WORLD_SIZE", "1"))
        self.skeleton = get_builtin(config.data.skeleton)
        clips = data.load_clips(config.data.train, self.skeleton)
        self.bones = data.measure_bone_shares(clips, self.skeleton)
        self.motion = data.canonicalize(clips, self.skeleton, self.bones)
        self.val = data.load_clips(config.data.val, self.skeleton)
        self.cameras: Cameras | None = load_cameras(config.data.cameras) if config.data.cameras else None
        torch.manual_seed(config.seed)
        self.state = self._build_state()

    @property
    def checkpoint_path(self) -> Path:
        """Where the run can be taken up again."""
        return Path(self.config.out) / "last.safetensors"

    @property
    def best_path(self) -> Path:
        """The best model on the validation clips so far."""
        return Path(self.config.out) / "best.safetensors"

    def _build_state(self) -> State:
        config = self.config
        model = VQGAN(config.model).to(self.device)
        channels = config.model.outputs.count_channels(config.model.keypoints, config.model.limbs)
        judge = PatchDiscriminator(channels, config.model.grid).to(self.device)
        linear = [p for n, p in model.named_parameters() if n in ("mean", "components", "basis")]
        rest = [p for n, p in model.named_parameters() if n not in ("mean", "components", "basis")]
        groups: list[dict[str, Any]] = [
            {"params": rest, "peak": config.learning_rate, "weight_decay": config.weight_decay},
            {"params": linear, "peak": config.linear_rate, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=(0.9, 0.98))
        judge_optimizer = torch.optim.Adam(judge.parameters(), lr=JUDGE_RATE, betas=(0.5, 0.9))
        return State(model, judge, optimizer, judge_optimizer)

    def draw_windows(self, batch: int, rng: torch.Generator) -> Tensor:
        """(B, T, K, D) clean, augmented, normalized windows."""
        config = self.config
        windows = data.draw_windows(self.motion, config.augmentation, batch, config.model.window, rng)
        if config.model.dims == 3:
            return views.normalize_3d(windows, config.augmentation, rng)
        return views.normalize_2d(windows, self.cameras, self.skeleton.root or 0, rng)

    def run(self, report: Callable[[int, dict[str, float]], None] = lambda step, values: None) -> None:
        """Train to the last step, going on from a checkpoint if there is one; `report` is called after each step."""
        if self.ranks > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        if self.checkpoint_path.exists():
            checkpoint.load(self.state, self.checkpoint_path)
        else:
            self._start()
        log = _Log(Path(self.config.out) / "log.jsonl", quiet=self.rank > 0)
        began, first = time.perf_counter(), self.state.step
        while self.state.step < self.config.steps:
            values = self.step()
            report(self.state.step, values)
            if self.state.step % LOG_EVERY == 0:
                pace = (time.perf_counter() - began) / (self.state.step - first)
                log.write({"step": self.state.step, "seconds_per_step": round(pace, 4), **values})
            if self.state.step % self.config.evaluate_every == 0 or self.state.step == self.config.steps:
                self._evaluate(log)

    def _start(self) -> None:
        """Linear path from principal components, codebooks from k-means; the same on every rank."""
        config, model = self.config, self.state.model
        rng = data.build_generator(config.seed, 0)
        points = self.draw_windows(START_WINDOWS, rng)
        if config.model.linear:
            groups = points.reshape(-1, model.mean.numel()).to(self.device)
            components = torch.linalg.svd(groups - groups.mean(0), full_matrices=False).Vh[: config.model.latent]
            model.start_linear(groups.mean(0), components)
        with torch.no_grad():
            whole = torch.ones(points.shape[:3], dtype=torch.bool)
            batches = zip(torch.split(points, START_BATCH), torch.split(whole, START_BATCH), strict=True)
            parts = [encode_points(model, p.to(self.device), w.to(self.device)) for p, w in batches]
        model.quantizer.cpu().fit(torch.cat([p.flatten(0, 3) for p in parts]).cpu(), rng)
        model.quantizer.to(self.device)

    def step(self) -> dict[str, float]:
        """One update of generator and, from its step on, discriminator. Returns the losses."""
        config, weights, state = self.config, self.config.losses, self.state
        shape = config.model
        rng = data.build_generator(config.seed, state.step + 1, self.rank)
        set_rates(state.optimizer, state.step, config.steps, config.warmup, LOWEST_RATE)
        truth = self.draw_windows(config.batch, rng)
        noisy, there = data.degrade(truth, config.augmentation, rng)
        used = torch.randint(1, shape.levels + 1, (config.batch,), generator=rng)
        truth, noisy, there, used = (x.to(self.device) for x in (truth, noisy, there, used))

        state.model.train()
        latents = encode_points(state.model, noisy, there)
        quantized, commitment = state.model.quantizer(latents, used, rng)
        decoded = state.model.decode(quantized, used)
        pixels = shape.grid / (2 * shape.extent)
        parts = {"commitment": commitment * shape.latent / (shape.factor[0] * shape.keypoints) * pixels**2}
        if shape.linear:
            made = losses.read_out(decoded, shape)
            parts["position"] = losses.measure_distances(made, truth, there, shape)
            parts["velocity"] = losses.measure_velocities(made, truth, there, shape)
        first = slice(0, weights.drawn)
        drawn = losses.draw_heatmaps(decoded, shape, first)
        real = render_volume(truth[first], there[first], shape, shape.outputs)
        parts["heatmap"] = losses.measure_heatmap_error(drawn * (real.amax((-1, -2), keepdim=True) > 0), real)
        total = sum((getattr(weights, name) * value for name, value in parts.items()), torch.zeros(()))

        judged = weights.adversarial_from and state.step >= weights.adversarial_from
        if judged:
            fooling = -state.judge(drawn).mean()
            balance = losses.measure_balance(total, fooling, state.model.last_layer)
            total = total + weights.adversarial * balance * fooling
            parts["fooling"] = fooling
        self._update(state.optimizer, total, state.model)
        if judged:
            parts["judge"] = losses.measure_hinge(state.judge(real), state.judge(drawn.detach()))
            self._update(state.judge_optimizer, parts["judge"], state.judge)
        state.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, module: torch.nn.Module) -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        parameters = [p for p in module.parameters() if p.grad is not None]
        if self.ranks > 1:
            for gradient in (p.grad for p in parameters if p.grad is not None):
                distributed.all_reduce(gradient)
                gradient.div_(self.ranks)
        torch.nn.utils.clip_grad_norm_(parameters, self.config.clip)
        optimizer.step()

    def view_whole_clip(self, number: int, clip: data.Clip) -> tuple[Tensor, float]:
        """(points (1, T, K, D) normalized, scale to mm) of a validation clip, in 2D under one random camera.

        In 2D the scale is that of a standing body, and so errors are in mm only roughly.
        """
        motion = data.canonicalize([clip], self.skeleton, self.bones)
        rng = data.build_generator(1, number)
        windows = data.draw_windows(motion, STILL, 1, len(clip.points), rng)
        if self.config.model.dims == 3:
            return windows.body, float(motion.size[0])
        points = views.normalize_2d(windows, self.cameras, self.skeleton.root or 0, rng)
        return points, float(motion.size[0]) * RADIUS_SHARE

    def _evaluate(self, log: _Log) -> None:
        if self.rank == 0:
            clips = (self.view_whole_clip(number, clip) for number, clip in enumerate(self.val))
            scores = validate(self.state.model, clips, self.config.evaluate_levels, self.skeleton.root, self.device)
            score = sum(scores.values()) / len(scores)
            log.write({"step": self.state.step, "val_mm": {str(k): round(v, 2) for k, v in scores.items()}})
            before, self.state.best = self.state.best, min(self.state.best, score)
            checkpoint.save(self.state, self.checkpoint_path)
            if score < before:
                checkpoint.save(self.state, self.best_path)
        if self.ranks > 1:
            distributed.barrier()


class _Log:
    """One JSON line per record, and the same to TensorBoard where that is installed."""

    def __init__(self, path: Path, quiet: bool) -> None:
        self.path, self.quiet, self.board = path, quiet, None
        if quiet:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(path.parent))

    def write(self, record: dict[str, Any]) -> None:
        if self.quiet:
            return
        with self.path.open("a") as file:
            file.write(json.dumps({"time": round(time.time()), **record}) + "\n")
        if self.board is not None:
            for name, value in record.items():
                for part, number in (value if isinstance(value, dict) else {"": value}).items():
                    self.board.add_scalar(f"{name}/{part}".rstrip("/"), number, record["step"])
