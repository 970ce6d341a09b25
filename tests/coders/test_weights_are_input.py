"""Weights are input too: every tensor of every kind, shortened, reshaped, of another type, out of range or not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecodec import PoseCodec, zoo
from posecodec.coders.tokens.network import load_network
from posecodec.coders.tokens.tokenizer import Tokenizer
from posecodec.coders.transform import weights as transform
from posecodec.coders.windows import weights as windows
from posecodec.errors import WeightsError
from posecodec.zoo import Weights


def read(name: str) -> Weights:
    if name not in zoo.list_weights():
        pytest.skip(f"the weights {name} are not in this checkout")
    return zoo.read_weights(name)


def load_tokens(weights: Weights) -> None:
    tokenizer = Tokenizer(weights)
    load_network(weights, tokenizer.config, "cpu")


LOADERS = {
    "transform": transform.unpack_tables, "windows3d": windows.load_tables, "windows3d-nc": windows.load_tables,
    "windows2d": windows.load_tables,
}  # fmt: skip


AS_MANY_AS_THERE_ARE = {
    "prior.limits": ("shortened along 1", "lengthened along 1"), "prior.frequencies": ("lengthened along 0",),
}  # fmt: skip
"""Axes of which no other tensor knows how long they are, and no kernel."""


def damage(name: str, tensor: np.ndarray) -> dict[str, np.ndarray]:
    """A tensor in all the ways in which it may be wrong."""
    is_float = tensor.dtype.kind == "f"
    found = {
        "of another rank": tensor[None], "flat": tensor.ravel() if tensor.ndim > 1 else tensor[:, None],
        "of another type": tensor.astype(np.int32 if is_float else np.float32),
        "of longer integers": tensor.astype(np.int64), "empty": np.zeros((0, 7), tensor.dtype),
    }  # fmt: skip
    for axis in range(tensor.ndim if tensor.size else 0):
        found[f"shortened along {axis}"] = tensor.take(range(tensor.shape[axis] - 1), axis)
        found[f"lengthened along {axis}"] = np.concatenate([tensor, tensor.take([-1], axis)], axis)
    for value in (np.nan, np.inf, -np.inf) if is_float and tensor.size else ():
        found[f"{value} in it"] = tensor.copy()
        found[f"{value} in it"].flat[-1] = value
    return {what: values for what, values in found.items() if what not in AS_MANY_AS_THERE_ARE.get(name, ())}


@pytest.mark.parametrize("name", LOADERS)
def test_every_tensor_of_the_transform_and_of_windows(name: str) -> None:
    weights, load = read(name), LOADERS[name]
    load(weights)
    for tensor, values in weights.tensors.items():
        without = {other: kept for other, kept in weights.tensors.items() if other != tensor}
        with pytest.raises(WeightsError, match=f"{name}.*{tensor} is missing"):
            load(replace(weights, tensors=without))
        for what, wrong in damage(tensor, values).items():
            with pytest.raises(WeightsError, match=name):
                load(replace(weights, tensors=without | {tensor: wrong}))
                pytest.fail(f"{tensor} {what} was taken")


BEYOND = {
    "transform": {
        "model.rows": (0, 65536), "model.shifts": (-257, 257), "model.w1": (1 << 20,), "model.b2": (1 << 24,),
        "prior": (1025,), "polar.lengths": (0,), "polar.usual": (7e4,),
    },
    "windows3d": {
        "prior.chances": (7, 65529), "prior.limits": (0, 4097), "prior.usual": (-1025,), "prior.by_row": (1 << 24,),
        "prior.w2": (-(1 << 20),), "prior.shifts": (257,), "body.lengths": (-3,), "bands.turns": (2,),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_values_out_of_range(name: str) -> None:
    weights = read(name)
    for tensor, values in BEYOND[name].items():
        for value in values:
            wrong = weights.tensors[tensor].astype(
                np.float64 if isinstance(value, float) else weights.tensors[tensor].dtype
            )
            wrong = wrong.copy()
            wrong.flat[0] = value
            with pytest.raises(WeightsError, match=tensor):
                LOADERS[name](replace(weights, tensors=weights.tensors | {tensor: wrong}))


def test_matrices_without_an_inverse_and_directions_that_are_none() -> None:
    for name, tensor in (("transform", "polar.matrix"), ("windows3d", "body.metric"), ("transform", "polar.usual")):
        weights = read(name)
        wrong = weights.tensors[tensor].copy()
        wrong[0] = 0
        with pytest.raises(WeightsError, match=tensor):
            LOADERS[name](replace(weights, tensors=weights.tensors | {tensor: wrong}))


@pytest.mark.parametrize("settings", [{}, {"dims": 3}, {"dims": 4, "skeleton": "coco19"}, {"dims": "3", "skeleton": "coco19"},
                                      {"dims": 2, "skeleton": "coco19"}, {"dims": 3, "skeleton": "hand21"},
                                      {"dims": 3, "skeleton": ["coco19"]}, {"dims": 3, "skeleton": "\x1b[2J"}])  # fmt: skip
def test_settings_of_windows(settings: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="windows3d"):
        windows.load_tables(replace(read("windows3d"), settings=settings))


def test_every_tensor_of_tokens(token_codec: PoseCodec) -> None:
    weights = token_codec.weights
    assert weights is not None
    load_tokens(weights)
    for tensor, values in weights.tensors.items():
        without = {other: kept for other, kept in weights.tensors.items() if other != tensor}
        if values.size:
            with pytest.raises(WeightsError, match=f"{weights.name}.*{tensor.removeprefix('network.')} is missing"):
                load_tokens(replace(weights, tensors=without))
        for what, wrong in damage(tensor, values).items():
            with pytest.raises(WeightsError, match=weights.name):
                load_tokens(replace(weights, tensors=without | {tensor: wrong}))
                pytest.fail(f"{tensor} {what} was taken")
    with pytest.raises(WeightsError, match="surplus"):
        load_tokens(replace(weights, tensors=weights.tensors | {"network.surplus": np.zeros(3, np.float16)}))


@pytest.mark.parametrize("name", ["body3d", "body2d", "body3d-nc"])
def test_shipped_weights_of_tokens_are_sound_and_short_tables_are_not(name: str) -> None:
    weights = read(name)
    Tokenizer(weights)
    for tensor, values in weights.tensors.items():
        if tensor.startswith("prior."):
            with pytest.raises(WeightsError, match=name):
                Tokenizer(replace(weights, tensors=weights.tensors | {tensor: values[:-1]}))


def test_values_of_tokens_out_of_range(token_codec: PoseCodec) -> None:
    weights = token_codec.weights
    assert weights is not None
    for tensor, value in (("prior.classes", 255), ("prior.frequencies", 0), ("prior.frequencies", 65536),
                          ("prior.exponential", 0), ("network.spreads", 0), ("network.spreads", -1)):  # fmt: skip
        wrong = weights.tensors[tensor].copy()
        wrong.flat[0] = value
        with pytest.raises(WeightsError, match=weights.name):
            Tokenizer(replace(weights, tensors=weights.tensors | {tensor: wrong}))
    layers = {name: weights.tensors[f"prior.{name}"] for name in ("b1", "b2", "bias", "codes")}
    more = {f"prior.{name}": np.concatenate([values, values], axis=1) for name, values in layers.items()}
    with pytest.raises(WeightsError, match="a prior of 6 levels, 0 of them narrow, of 3 levels"):
        Tokenizer(replace(weights, tensors={**weights.tensors, **more}))
    far = weights.tensors["network.path_first.codebooks"].copy()
    far.flat[0] = 65504
    with pytest.raises(WeightsError, match="reach farther"):
        Tokenizer(replace(weights, tensors=weights.tensors | {"network.path_first.codebooks": far}))


def test_settings_of_tokens(token_codec: PoseCodec) -> None:
    weights = token_codec.weights
    assert weights is not None
    network = weights.settings["network"]
    for changes in ({"width": 10**12}, {"depth": 10**12}, {"width": "wide"}, {"width": 2.5}, {"codes": 17}, {"levels": 9},
                    {"step": 2**40, "patch": 2**40}, {"grid": 10**9}, {"rate": float("inf")}, {"remainder": float("nan")},
                    {"parts": [[0.0]]}, {"parts": 7}, {"knots": 3}, {"latent": 10**9}, {"features": 10**9}):  # fmt: skip
        with pytest.raises(WeightsError, match=weights.name):
            load_tokens(replace(weights, settings=weights.settings | {"network": network | changes}))
            pytest.fail(f"{changes} were taken")
    for changes in ({"usual_size": float("nan")}, {"usual_size": -1}, {"default_levels": 0}, {"default_levels": 99},
                    {"bones": []}, {"bones": [[0, 99, 0.5]]}, {"bones": [[0, 1]]}, {"skeleton": "hand21"},
                    {"network": []}, {"network": None}):  # fmt: skip
        with pytest.raises(WeightsError, match=weights.name):
            Tokenizer(replace(weights, settings=weights.settings | changes))
            pytest.fail(f"{changes} were taken")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the transform's weights and card."""
    path = zoo.find_weights("transform")
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"mine{suffix}").write_bytes(path.with_suffix(suffix).read_bytes())
    zoo.read_weights(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_a_flipped_bit_anywhere_is_found(files: Path) -> None:
    data = bytearray(files.read_bytes())
    for place in range(0, len(data), 997):
        data[place] ^= 1
        files.write_bytes(data)
        with pytest.raises(WeightsError, match="its card says"):
            zoo.read_weights(files)
        data[place] ^= 1
    files.write_bytes(data[:-1])
    with pytest.raises(WeightsError, match="its card says"):
        zoo.read_weights(files)


@pytest.mark.parametrize("card", [None, "", "{", "[1]", "{}", '{"sha256": null}', "[" * 100_000, "\udcff"])
def test_weights_without_a_card_that_says_their_hash_are_not_taken(card: str | None, files: Path) -> None:
    if card is None:
        files.with_suffix(".json").unlink()
    else:
        files.with_suffix(".json").write_text(card, errors="surrogateescape")
    with pytest.raises(WeightsError, match="mine.json"):
        zoo.read_weights(files)


def pack(settings: str | None) -> bytes:
    """A safetensors file without tensors."""
    metadata = {} if settings is None else {"__metadata__": {"posecodec": settings}}
    head = json.dumps(metadata).encode()
    return len(head).to_bytes(8, "little") + head


@pytest.mark.parametrize("data", [b"", b"x" * 100, pack(None), pack("{"), pack("[]"), pack("3"), pack("[" * 50_000)])
def test_files_that_are_no_weights(data: bytes, files: Path) -> None:
    import hashlib

    files.write_bytes(data)
    files.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(WeightsError, match="not a posecodec weights file"):
        zoo.read_weights(files)


def test_weights_of_one_kind_are_none_of_another() -> None:
    for name in ("transform", "body3d"):
        with pytest.raises(WeightsError, match=name):
            windows.load_tables(read(name))
    with pytest.raises(WeightsError, match="windows3d"):
        Tokenizer(read("windows3d"))
