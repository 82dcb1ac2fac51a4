"""Steps on a Dask cluster of the custodian's own."""
