"""PoseArray for arrays of `zarr_format=3`, where what makes bytes of a chunk is called the serializer.

    zarr.create_array(..., serializer=PoseSerializer(max_error=5), compressors=None, fill_value=np.nan)

It hands chunks to `PoseArray` (`numcodecs.py`) and takes the same options. The name "posecodec" is in no list of the
Zarr specification: only readers with posecodec installed open such arrays. Arrays of `zarr_format=2` take PoseArray itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError
from posecodec.interop.numcodecs import PoseArray

try:
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.registry import register_codec
except ImportError as error:
    raise UsageError(f"zarr 3 cannot be imported ({error}); install it with pip install 'zarr>=3'") from error

NAME = "posecodec"


@dataclass(frozen=True, init=False)
class PoseSerializer(ArrayBytesCodec):
    """Chunks of keypoints as `.posec` files. Takes the options of PoseArray, and raises as that does."""

    is_fixed_size = False

    codec: PoseArray

    def __init__(self, **options: Any) -> None:
        object.__setattr__(self, "codec", PoseArray(**options))

    def __hash__(self) -> int:
        return hash(repr(self.codec))

    @classmethod
    def from_dict(cls, data: Any) -> PoseSerializer:
        """The codec of an array's metadata: a name and a configuration."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """The mirror of `from_dict`; options that are the default are left out."""
        usual = {"max_error": None, "lossless": False, "fps": 30.0, "unit": "unknown", "up": "unknown"}
        config = {k: v for k, v in self.codec.get_config().items() if k != "id" and v is not None and v != usual.get(k)}
        return {"name": NAME, "configuration": config}

    def validate(self, *, dtype: Any, **_: Any) -> None:
        """Refuse an array that is not of floats when it is made. Raises InputError."""
        found = dtype.to_native_dtype()
        if found.newbyteorder("=") not in (np.float32, np.float64):
            raise InputError(f"the array is of type {found}; posecodec takes float32 and float64")

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        array = chunk_array.as_numpy_array()
        array = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)  # the array's metadata have neither
        data = await asyncio.to_thread(self.codec.encode, array)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        array = await asyncio.to_thread(self.codec.decode, chunk_bytes.to_bytes())
        array = array.reshape(chunk_spec.shape).astype(chunk_spec.dtype.to_native_dtype(), copy=False)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Only an encode tells."""
        raise NotImplementedError


register_codec(NAME, PoseSerializer)
