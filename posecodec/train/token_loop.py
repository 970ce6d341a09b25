"""The training of tokens, top to bottom: data, a linear start, steps, validation, checkpoints.

`steps` runs it. Every window is drawn from a generator seeded by the step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from posecodec.coders.tokens.network import load_network
from posecodec.errors import InputError
from posecodec.kinematics.body_track import list_roots
from posecodec.networks import heatmap
from posecodec.networks.part_io import bridge_gaps, find_codes
from posecodec.networks.part_vqgan import Decoded, PartVQGAN, gather
from posecodec.networks.part_vqgan import Path as Way
from posecodec.networks.path import place, to_local, to_world
from posecodec.networks.vector_quantizer import START_USES, ResidualQuantizer
from posecodec.pose.skeletons.files import resolve_skeleton
from posecodec.train import data, losses
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.checkpoint import State
from posecodec.train.clips import Clip, load_clips
from posecodec.train.config import STILL, Augmentation
from posecodec.train.damage import damage, hold_ends, list_groups
from posecodec.train.discriminator import PatchDiscriminator
from posecodec.train.ranks import ALONE, Ranks
from posecodec.train.schedule import set_rates
from posecodec.train.strokes import read_strokes
from posecodec.train.token_config import TokenTraining
from posecodec.train.token_views import split_2d, split_3d
from posecodec.zoo import Weights

SHRINKAGE = 1e-3  # Of least squares, in variances of what is known
START_BATCH = 64  # Windows that are encoded at once
CHAIN_ROUNDS = 4  # How often the path's first level is fitted to the states that it leads to itself
START_JITTER = (0.5, 3e-3)
"""Where a first step is seen from, off the truth: 64ths of a turn, body sizes (32 mm steps are up to 16 mm off)."""
START_JITTER_2D = (0.03, 0.03, 0.02)
"""The same in 2D: body sizes, and units of the log of the size."""
JUDGE_RATE = 2e-4  # Learning rate of the discriminator
LOWEST_RATE = 0.02  # Share of the peak learning rate that is left at the last step
JUDGED_LEVELS = (1, 2, 3, 5, 8)  # Of tokens, at which a training is validated


class TokenTrainer:
    """One run of a config."""

    def __init__(self, config: TokenTraining, device: str = "cpu", ranks: Ranks = ALONE) -> None:
        self.config, self.device, self.ranks = config, torch.device(device), ranks
        self.skeleton = resolve_skeleton(config.data.skeleton)
        self.roots, self.groups = list_roots(self.skeleton), list_groups(self.skeleton)
        clips = load_clips(config.data.train, self.skeleton, config.model.rate)
        self._check(clips)
        self.bones = data.measure_bone_shares(clips, self.skeleton)
        self.motion = data.canonicalize(clips, self.skeleton, self.bones)
        self.val = load_clips(config.data.val, self.skeleton, config.model.rate)
        self.cameras: Cameras | None = load_cameras(config.data.cameras) if config.data.cameras else None
        torch.manual_seed(config.seed)
        self.state = self._build_state()
        self.begun_with = ""

    def _check(self, clips: list[Clip]) -> None:
        """Raises InputError where network, skeleton and motion do not go together."""
        model, skeleton, dims = self.config.model, self.skeleton, clips[0].points.shape[2]
        if model.keypoints != len(skeleton):
            raise InputError(
                f"model.parts have {model.keypoints} keypoints, skeleton {skeleton.name!r} {len(skeleton)}"
            )
        if not skeleton.edges or (dims == 3 and skeleton.root is None):
            raise InputError(f"skeleton {skeleton.name!r} needs edges, and for motion in 3D a root, to be trained on")
        if dims < model.dims:
            raise InputError("the motion is 2D; set model.dims to 2")

    def _build_state(self) -> State[PartVQGAN]:
        config = self.config
        model = PartVQGAN(config.model, config.dropout).to(self.device)
        judge = PatchDiscriminator(config.model.views * config.model.keypoints, config.model.grid).to(self.device)
        fixed = ("means", "components", "bases", "context", "guide_linear")
        groups: list[dict[str, Any]] = [
            {"params": [], "peak": config.learning_rate, "weight_decay": config.weight_decay},
            {"params": [], "peak": config.linear_rate, "weight_decay": 0.0},
        ]
        last = str(len(config.model.parts))
        for name, parameter in model.named_parameters():
            if name.startswith(fixed[:3]) and name.endswith(last):
                parameter.requires_grad_(False)
                continue
            groups[name.startswith(fixed)]["params"].append(parameter)
        optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))
        judge_optimizer = torch.optim.Adam(judge.parameters(), lr=JUDGE_RATE, betas=(0.5, 0.9))
        return State(model, judge, optimizer, judge_optimizer)

    def split(self, windows: data.Windows, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Bodies (B, T, K, D) of size 1 and paths (B, T, D + 1) of windows."""
        if self.config.model.dims == 3:
            return split_3d(windows)
        return split_2d(windows, self.cameras, self.roots, rng)

    def draw_windows(self, batch: int, how: Augmentation, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Clean, augmented bodies and paths."""
        frames = self.config.window * self.config.model.step
        return self.split(data.draw_windows(self.motion, how, batch, frames, rng), rng)

    def draw_start(self, path: Tensor, rng: torch.Generator) -> Tensor:
        """The states (B, D + 1) that windows are first seen from: where they begin, as coarsely as a file says it."""
        off = torch.rand(path[:, 0].shape, generator=rng).to(path) * 2 - 1
        if path.shape[-1] == 4:
            return path[:, 0] + off * path.new_tensor([START_JITTER[1]] * 3 + [START_JITTER[0] * torch.pi / 32])
        size = torch.cat([path[:, 0, 2:].exp().expand(-1, 2), torch.ones_like(path[:, 0, 2:])], 1)
        return path[:, 0] + off * path.new_tensor(START_JITTER_2D) * size

    def begin_with(self, weights: Weights) -> None:
        """Take network and codes of a weights file for the start. Raises WeightsError if they are of another shape."""
        model = self.state.model
        known = load_network(weights, self.config.model, "cpu").state_dict()
        model.load_state_dict({name: known[name] for name in model.state_dict()})
        for quantizer in [module for module in model.modules() if isinstance(module, ResidualQuantizer)]:
            quantizer.uses.fill_(START_USES / self.config.model.codes)  # as if each code had been used alike
            quantizer.sums.copy_(quantizer.codebooks * quantizer.uses.unsqueeze(-1))
        self.begun_with = f"{weights.name} {weights.sha256}"

    @torch.no_grad()
    def start(self) -> None:
        """Linear path from principal components, codebooks from k-means, where the training begins with no weights."""
        if self.begun_with:
            return
        config, model = self.config, self.state.model
        rng = data.build_generator(config.seed, 0)
        body, path = self.draw_windows(config.start_windows, config.augmentation, rng)
        groups = body.unflatten(1, (-1, config.model.step)).flatten(0, 1)
        for row, part in enumerate(config.model.parts):
            self._start_row(row, groups[:, :, list(part)].flatten(1))
        there = torch.ones(body.shape[:3], dtype=torch.bool)
        parts = [
            self.encode(b.to(self.device), b.to(self.device), t.to(self.device)).cpu()
            for b, t in zip(body.split(START_BATCH), there.split(START_BATCH), strict=True)
        ]
        latents, model = torch.cat(parts), model.cpu()
        for row, quantizer in enumerate(model.quantizers):
            samples = latents[:, :, row].flatten(0, 1)
            model.spreads[row].copy_(samples.std(0))
            assert isinstance(quantizer, ResidualQuantizer)
            quantizer.fit(samples, rng)
        tokens = model.quantize(latents, config.model.levels)
        books = model.list_codebooks()[: len(config.model.parts)]
        seen = torch.cat([book[0][tokens[:, :, row, 0]] for row, book in enumerate(books)], -1)
        way = self._start_path(path, seen, rng)
        tokens = torch.cat([tokens, model.quantize_path(way, config.model.levels).unsqueeze(2)], 2)
        whole = torch.cat([latents, way.values.unsqueeze(2)], 2)
        whole[:, :, -1] -= model.project_remainders(way.remainders)
        for level in range(config.model.levels):
            self._start_context(tokens[..., : level + 1], whole, way, seen)
        model.to(self.device)

    def _start_context(self, tokens: Tensor, whole: Tensor, way: Way, seen: Tensor) -> None:
        """What the codes around a latent say about what its own missed, by least squares."""
        model = self.state.model
        latents = model.dequantize(tokens)
        told = latents.clone()
        told[:, :, -1] += gather(seen) @ model.guide_linear + model.project_remainders(way.remainders)
        missed = (whole - latents).flatten(2)
        model.context[tokens.shape[-1] - 1].copy_(fit_ridge(gather(told.flatten(2)), missed))

    def _start_row(self, row: int, samples: Tensor) -> None:
        mean = samples.mean(0)
        covariance = torch.cov((samples - mean).T)
        try:
            _, vectors = torch.linalg.eigh(covariance)
        except RuntimeError:  # it does not converge, as on some processors where much of it is zero
            _, vectors = torch.linalg.eigh(covariance.double())
        components = vectors.flip(1)[:, : self.config.model.latent].T
        model = self.state.model
        for store, value in ((model.means, mean), (model.components, components), (model.bases, components)):
            store[row].copy_(value)

    def _start_path(self, path: Tensor, seen: Tensor, rng: torch.Generator) -> Way:
        """The path's components, guide and codes, seen from the states that they lead to themselves."""
        model, row = self.state.model, len(self.config.model.parts)
        start = self.draw_start(path, rng)
        self._start_row(row, self._see_from_truth(path))
        values = ((self._see_from_truth(path) - model.means[row]) @ model.components[row].T).unflatten(
            0, path.shape[:1] + (-1,)
        )
        model.guide_linear.copy_(fit_ridge(gather(seen), values))
        model.spreads[row].copy_(values.flatten(0, 1).std(0))
        guess = gather(seen) @ model.guide_linear
        values = values - guess
        for _ in range(CHAIN_ROUNDS):
            model.path_first.fit(values.flatten(0, 1), rng)
            way = model.encode_path(path, guess, start)
            values = way.values
        rest = way.values - model.path_first.codebooks[0][way.tokens] - model.project_remainders(way.remainders)
        model.path_rest.fit(rest.flatten(0, 1), rng)
        return way

    def _see_from_truth(self, path: Tensor) -> Tensor:
        steps = path.unflatten(1, (-1, self.config.model.step))
        before = torch.cat([steps[:, :1, 0], steps[:, :-1, -1]], 1)
        return to_local(steps, before).flatten(0, 1).flatten(1)

    def encode(self, seen: Tensor, filled: Tensor, there: Tensor) -> Tensor:
        """Latents of the parts; heatmaps are handed over as their profiles."""
        config, model = self.config.model, self.state.model
        centers = heatmap.to_pixels(torch.where(there.unsqueeze(-1), seen, torch.nan), config.grid, config.extent)
        down, across = heatmap.render_profiles(centers, config.grid, config.sigma)
        return model.encode(model.see_profiles(down.flatten(2, 3), across.flatten(2, 3)), filled)

    def step(self) -> dict[str, float]:
        """One update of generator and, from its step on, discriminator. Returns the losses."""
        config, weights, state = self.config, self.config.losses, self.state
        shape, model = config.model, state.model
        rng = data.build_generator(config.seed, state.step + 1, *self.ranks.key)
        set_rates(state.optimizer, state.step, config.steps, config.warmup, LOWEST_RATE)
        body, path = self.draw_windows(config.batch, config.augmentation, rng)
        body, path, counted = hold_ends(body, path, config.damage.held, rng)
        start = self.draw_start(path, rng)
        odds = torch.arange(1, shape.levels + 1, dtype=torch.float32) ** -config.lean
        used = 1 + torch.multinomial(odds, config.batch, replacement=True, generator=rng)
        whole = torch.rand(config.batch, generator=rng) < config.whole
        used = torch.where(whole, shape.levels + 1, used)
        seen, seen_path, there = damage(body, path, whole, self.groups, self.roots, config.damage, rng)
        body, path, counted, seen, seen_path, there, start, used = (
            x.to(self.device) for x in (body, path, counted, seen, seen_path, there, start, used)
        )

        model.train()
        latents = self.encode(seen, bridge_gaps(model, seen, there), there)
        guess = model.guess(model.quantize(latents.detach(), 1)[..., 0])
        way = model.encode_path(seen_path, guess.detach(), start)
        quantized, commitment = self.quantize(latents, way, used, rng)
        quantized[:, :, -1] += guess
        decoded = model.decode(quantized, way.remainders, used)
        parts = self.measure(decoded, body, path, way.states, counted)
        local = to_local(path.unflatten(1, (-1, shape.step)), way.states) - model.draw_path(guess)
        parts["guess"] = _mean_length(local.flatten(1, 2).unsqueeze(2), counted) * shape.pixels
        parts["commitment"] = commitment * shape.latent / (shape.step * 3) * shape.pixels**2
        first = slice(0, weights.drawn)
        drawn = draw_heatmaps(model, decoded, first)
        centers = heatmap.to_pixels(body[first], shape.grid, shape.extent)
        real = heatmap.render(centers, shape.grid, shape.sigma).flatten(2, 3)
        parts["heatmap"] = losses.measure_heatmap_error(drawn, real)
        total = sum((getattr(weights, name) * value for name, value in parts.items()), torch.zeros(()))

        judged = weights.adversarial_from and state.step >= weights.adversarial_from
        if judged:
            fooling = -state.judge(drawn).mean()
            balance = losses.measure_balance(total, fooling, model.last_layer)
            total = total + weights.adversarial * balance * fooling
            parts["fooling"] = fooling
        self._update(state.optimizer, total, model)
        if judged:
            parts["judge"] = losses.measure_hinge(state.judge(real), state.judge(drawn.detach()))
            self._update(state.judge_optimizer, parts["judge"], state.judge)
        self.ranks.average_codes(state.model)
        state.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}

    def quantize(self, latents: Tensor, way: Way, used: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents (B, t, h, F) as so many levels (B,) have them, and the commitment loss; Q + 1 levels are no quantizing."""
        model = self.state.model
        values, commitments, taught = [], [], used <= self.config.model.levels
        for row, quantizer in enumerate(model.quantizers):
            value, commitment = quantizer(latents[:, :, row], used, rng, taught)
            values.append(value)
            commitments.append(commitment)
        pushed = model.project_remainders(way.remainders)
        first, _ = model.path_first(way.values, used, rng, taught)
        rest = way.values - first - pushed
        values.append(first + model.path_rest(rest, used - 1, rng, taught)[0])
        whole = torch.cat([latents, (way.values - pushed).unsqueeze(2)], 2)
        chosen = torch.where((used > model.config.levels)[:, None, None, None], whole, torch.stack(values, 2))
        return chosen, torch.stack(commitments).mean()

    def measure(
        self, decoded: Decoded, body: Tensor, path: Tensor, states: Tensor, counted: Tensor
    ) -> dict[str, Tensor]:
        """Distances in pixels: of the body, in the world, and of movements in the world."""
        shape = self.config.model
        made = read_strokes(self.state.model, decoded.points, decoded.strokes)
        way = to_world(decoded.steps, states).flatten(1, 2)
        scale = shape.pixels if shape.dims == 3 else shape.pixels / path[..., 2:].exp().mean(1)[:, None, None]
        off = (place(made, way) - place(body, path)) * scale
        both = counted[:, 1:] & counted[:, :-1]
        return {
            "body": _mean_length((made - body) * shape.pixels, counted),
            "world": _mean_length(off, counted),
            "velocity": _mean_length(off.diff(dim=1), both),
        }

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, module: torch.nn.Module) -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.ranks.average_gradients(module.parameters())
        parameters = [p for p in module.parameters() if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(parameters, self.config.clip)
        optimizer.step()

    @torch.no_grad()
    def validate(self, levels: tuple[int, ...] = JUDGED_LEVELS) -> dict[str, list[float]]:
        """Mean error in the world and of the body alone by levels, on whole validation clips: mm, in 2D body sizes x 100."""
        model, shape = self.state.model.eval(), self.config.model
        sums = {level: [0.0, 0.0] for level in levels if level <= shape.levels}
        frames, guessed, counts = 0, 0.0, []
        for number, clip in enumerate(self.val):
            motion = data.canonicalize([clip], self.skeleton, self.bones)
            rng = data.build_generator(1, number)
            body, path = self.split(data.draw_windows(motion, STILL, 1, len(clip.points), rng), rng)
            count, spare = body.shape[1], -body.shape[1] % shape.step
            unit = float(motion.size[0]) if shape.dims == 3 else 100.0
            body, path = (
                torch.cat([x, x[:, -1:].expand(-1, spare, *x.shape[2:])], 1).to(self.device) for x in (body, path)
            )
            latents = self.encode(body, body, torch.ones(body.shape[:3], dtype=torch.bool, device=self.device))
            tokens, way, guess = find_codes(model, latents, path, self.draw_start(path, rng))
            local = to_local(path.unflatten(1, (-1, shape.step)), way.states) - model.draw_path(guess)
            guessed += float(local.flatten(1, 2)[0, :count].norm(dim=-1).sum()) * unit
            counts.append(way.remainders.flatten(0, 1).flatten(1).cpu())
            for level, total in sums.items():
                values = model.dequantize(tokens[..., :level])
                values[:, :, -1] += guess
                decoded = model.decode(values, way.remainders, torch.full((1,), level, device=self.device))
                made = read_strokes(model, decoded.points, decoded.strokes)
                scale = unit if shape.dims == 3 else unit / path[..., 2:].exp().mean(1)[:, None, None]
                off = (place(made, to_world(decoded.steps, way.states).flatten(1, 2)) - place(body, path)) * scale
                total[0] += float(off[:, :count].norm(dim=-1).mean(-1).sum())
                total[1] += float((made - body)[:, :count].norm(dim=-1).mean(-1).sum()) * unit
            frames += count
        bits = sum(_entropy(column) for column in torch.cat(counts).T) / frames
        return {str(level): [round(x / frames, 2) for x in total] for level, total in sums.items()} | {
            "side": [round(bits, 3), round(guessed / frames, 1)]
        }


def draw_heatmaps(model: PartVQGAN, decoded: Decoded, rows: slice) -> Tensor:
    """Whole heatmaps (b, T, C, H, W), in [0, 1] but for the correction, of some windows."""
    config = model.config
    centers = heatmap.to_pixels(decoded.points[rows], config.grid, config.extent)
    logs = heatmap.render_log(centers, config.grid, config.sigma).flatten(2, 3) + model.draw(decoded.strokes[rows])
    return logs.clamp_max(1.0).exp()


def fit_ridge(known: Tensor, wanted: Tensor) -> Tensor:
    """Weights (n, m) by which knowns (B, t, n) tell wanted (B, t, m), least squares with a little shrinkage."""
    x, y = known.flatten(0, 1), wanted.flatten(0, 1)
    shrink = SHRINKAGE * len(x) * x[:, :-1].var() * torch.eye(x.shape[1], dtype=x.dtype)
    weights: Tensor = torch.linalg.solve(x.T @ x + shrink, x.T @ y)
    return weights


def _mean_length(off: Tensor, counted: Tensor) -> Tensor:
    """Mean length of (B, T, K, D) over the frames that count (B, T)."""
    lengths = (off.square().sum(-1) + losses.SOFTENING).sqrt().mean(-1)
    return (lengths * counted).sum() / counted.sum().clamp_min(1)


def _entropy(values: Tensor) -> float:
    """Bits of whole numbers by their own histogram."""
    counts = values.unique(return_counts=True)[1].double()
    return float(-(counts * (counts / counts.sum()).log2()).sum())
