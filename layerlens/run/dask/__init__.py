"""Run large sweeps on a Dask cluster, with the results in one Parquet file.

worker.py   the tasks of a worker: cells to rows
parquet.py  rows to a Parquet file, in parts that survive an interruption
client.py   sends the tasks, collects the rows and handles lost workers
"""
