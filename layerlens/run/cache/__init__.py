"""A cache of results in one SQLite file.

meaning.py       a scenario becomes a key that its spelling does not change
surroundings.py  versions, code, machine and settings that results depend on become a key
places.py        where the file is
store.py         keys and payloads: the file itself, bounded and checked
recalling.py     reports go in, and come out marked as cached
"""
