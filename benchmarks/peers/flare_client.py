"""What a user of NVIDIA FLARE runs at a site: its own example's mathematics, over its client interface.

The example makes a dense matrix of rows x rows for the weights (800 MB here); this does not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import nvflare.client as flare
from nvflare.apis.fl_constant import FLMetaKey


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    flare.init()
    with np.load(folder / f"{flare.get_site_name()}.npz") as rows:
        x, y = np.column_stack([np.ones(len(rows["x"])), rows["x"]]), rows["y"][:, None]
    while flare.is_running():
        asked = flare.receive()
        if asked is None:
            break
        p = 1 / (1 + np.exp(-(x @ asked.params["numpy_key"])))
        sums = {"gradient": x.T @ (y - p), "hessian": (x * (p * (1 - p))).T @ x}
        flare.send(flare.FLModel(params=sums, params_type="FULL", meta={FLMetaKey.NUM_STEPS_CURRENT_ROUND: len(y)}))


if __name__ == "__main__":
    main()
