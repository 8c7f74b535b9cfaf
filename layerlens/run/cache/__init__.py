"""A cache of results in one SQLite file.

scenario_key.py     the part of the key that describes a scenario, whatever its spelling
environment_key.py  the part of the key that describes versions, code, machine and settings
folder.py           the folder of the file
store.py            keys and payloads in the file, bounded and checked
results.py          reports as payloads
"""
