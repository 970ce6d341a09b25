"""Parquet files of a corpus: what their columns are, and how they are written and read. The only one that knows pyarrow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecodec.errors import DependencyError, InputError, name_install
from posecodec.io.replacing import replace_file

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

FEW_VALUES = ("skeleton", "unit", "format", "error", "tokens")  # Columns of which each value is told once
ROWS_IN_GROUP = 4096  # Recordings of a row group: metadata are read by groups, files by their place
MANIFEST = {"id": "string", "source": "string", "bytes": "int64", "modified": "string", "format": "string"}
LOOKED = {"frames": "int32", "people": "int32", "skeleton": "string", "sha256": "string", "error": "string"}
SHARD = {
    "id": "string", "source": "string", "posec": "binary", "error": "string", "frames": "int32", "fps": "float64",
    "people": "int32", "skeleton": "string", "dims": "int32", "unit": "string", "bytes_in": "int64", "bytes_out": "int64",
    "bits_per_frame": "float64", "mean_error": "float64", "max_error": "float64", "sha256": "string",
    "notes": "list<string>", "tokens": "list<int16>",
}  # fmt: skip
INDEX = {"id": "string", "offset": "int64", "length": "int64"}
"""Columns of a manifest, what it has more where recordings were opened, of a shard, and of an index: where its files are."""


def import_pyarrow() -> Any:
    """pyarrow with its parquet module. Raises DependencyError without it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(f"corpora need pyarrow; {name_install('corpus')}") from error
    return pyarrow


def build_table(columns: dict[str, str], rows: list[dict[str, Any]], about: dict[str, str]) -> pyarrow.Table:
    """Rows as a table with these columns; what a row does not have is null. about: metadata of the table."""
    pa = import_pyarrow()
    types = {}
    for name, kind in columns.items():
        inner = getattr(pa, kind.removeprefix("list<").removesuffix(">"))()
        types[name] = pa.list_(inner) if kind.startswith("list<") else inner
    schema = pa.schema(types.items()).with_metadata(about)
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()}, schema)


def pack_table(table: pyarrow.Table) -> bytes:
    """A Parquet file, the same bytes for the same table and pyarrow; `posec` is stored as it is, all else packed."""
    pq, file = import_pyarrow().parquet, io.BytesIO()
    packed = {name: "none" if name == "posec" else "zstd" for name in map(_name_leaf, table.schema)}
    pq.write_table(
        table, file, row_group_size=ROWS_IN_GROUP, compression=packed, data_page_size=1 << 30,
        use_dictionary=[_name_leaf(column) for column in table.schema if column.name in FEW_VALUES],
        write_statistics=[name for name in table.column_names if name != "posec"],
    )  # fmt: skip
    return file.getvalue()


def _name_leaf(column: pyarrow.Field) -> str:
    """What Parquet calls the values of a column."""
    return f"{column.name}.list.element" if "list" in str(column.type) else str(column.name)


def write_table(path: Path, table: pyarrow.Table) -> bytes:
    """Write a Parquet file aside and move it into place; returns its bytes."""
    data = pack_table(table)
    replace_file(path, data)
    return data


def open_parquet(path: Path) -> Any:
    """A Parquet file to read in pieces. Raises InputError where it is none."""
    pa = import_pyarrow()
    try:
        return pa.parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}); make it again") from error


def read_table(source: Any, columns: list[str] | None = None) -> pyarrow.Table:
    """A Parquet file, or some columns of it: a path, or bytes. Raises InputError where it is none."""
    pa = import_pyarrow()
    try:
        return pa.parquet.read_table(
            pa.BufferReader(source) if isinstance(source, bytes) else str(source), columns=columns
        )
    except (OSError, pa.ArrowException) as error:
        name = "bytes" if isinstance(source, bytes) else source
        raise InputError(f"{name}: cannot be read as Parquet ({error}); make it again") from error
