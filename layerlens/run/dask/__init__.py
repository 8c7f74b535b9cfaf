"""Sweeps that outgrow one machine: their cells run on Dask, their results go into one Parquet file.

cells.py     what a worker does: cells become rows
sheet.py     rows become a Parquet file, in parts that outlive whoever writes them
spreading.py the client: tasks go out, rows come in, what is lost is told
"""
