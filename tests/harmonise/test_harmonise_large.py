"""Reading far more than memory holds. Takes a minute and 2 GB of disk: HANSA_LARGE=1 runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 10_000_000
GROUP = 2**20  # the row groups that pyarrow and pandas write unless they are told otherwise
NUMBERS = [f"x{i}" for i in range(29)]

READ = """
import json, sys, time
from hansa.harmonise import open_source, read_chunks
from hansa.model import Dictionary, Variable
names = json.loads(sys.argv[2])
dictionary = Dictionary(person="who", variables=tuple(Variable(name=name, type="number") for name in names))
rows, total, start = 0, 0.0, time.perf_counter()
for chunk in read_chunks(open_source(sys.argv[1]), dictionary, names):
    rows += len(chunk)
    total += sum(float(column.sum()) for column in chunk.columns.values())
seconds = time.perf_counter() - start
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"rows": rows, "total": total, "seconds": seconds, "bytes": int(peak) * 1024}))
"""


def write(path: Path) -> float:
    """Measurements with one decimal; their sum."""
    random = np.random.default_rng(1)
    kinds = pa.schema([("who", pa.int64()), *((name, pa.float64()) for name in NUMBERS)])
    total = 0
    with pq.ParquetWriter(path, kinds) as writer:
        for start in range(0, ROWS, GROUP):
            rows = min(GROUP, ROWS - start)
            tenths = random.integers(0, 2000, (len(NUMBERS), rows))
            total += int(tenths.sum())
            writer.write_table(pa.table([pa.array(np.arange(start, start + rows)), *(tenths / 10.0)], schema=kinds))
    return total / 10


@pytest.mark.skipif(not os.environ.get("HANSA_LARGE"), reason="HANSA_LARGE=1 runs it")
def test_ten_million_rows_of_thirty_columns_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    total = write(path)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), json.dumps(NUMBERS)], capture_output=True, text=True, check=True
    )
    path.unlink()
    found = json.loads(done.stdout)
    assert found["rows"] == ROWS
    assert found["total"] == pytest.approx(total, rel=1e-9)
    assert found["bytes"] < 1e9
