from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hansa.harmonise import Chunk, DataLike, open_source, read_chunks
from hansa.model import Dictionary


def every_form(table: pa.Table, folder: Path) -> dict[str, DataLike]:
    """The same data as each kind of source that Hansa reads."""
    frame = table.to_pandas()
    frame.to_csv(folder / "data.csv", index=False)
    frame.to_csv(folder / "semicolons.csv", index=False, sep=";")
    pq.write_table(table, folder / "data.parquet")
    return {
        "arrow": table,
        "pandas": frame,
        "pandas of objects": frame.astype(object),
        "parquet": folder / "data.parquet",
        "csv": folder / "data.csv",
        "csv with semicolons": str(folder / "semicolons.csv"),
    }


def read_all(
    data: DataLike, dictionary: Dictionary, names: Sequence[str], *, chunk_rows: int = 65_536
) -> tuple[dict[str, NDArray[np.float64]], list[Any], dict[str, int]]:
    chunks = list(read_chunks(open_source(data), dictionary, names, chunk_rows=chunk_rows))
    return joined(chunks, names), persons(chunks), undeclared(chunks, names)


def joined(chunks: Sequence[Chunk], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in names}


def persons(chunks: Sequence[Chunk]) -> list[Any]:
    return [person for chunk in chunks for person in chunk.person.tolist()]


def undeclared(chunks: Sequence[Chunk], names: Sequence[str]) -> dict[str, int]:
    return {name: sum(chunk.undeclared[name] for chunk in chunks) for name in names}


def frame_of(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})
