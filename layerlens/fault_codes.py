"""The codes of faults: stable names, which `layerlens explain CODE` describes.

A code never changes its meaning, and the code of a fault that is gone is not used again. The
descriptions and examples are in `fault_guide.toml`.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The kind of a fault."""

    # 1xx: the YAML itself
    INVALID_YAML = "LL101"
    NOT_TEXT = "LL102"
    REPEATED_KEY = "LL103"
    KEY_NOT_TEXT = "LL104"
    ALIAS = "LL105"
    TAG = "LL106"
    SEVERAL_DOCUMENTS = "LL107"
    YAML_VERSION = "LL108"
    YAML_LIMIT = "LL109"
    SCALAR = "LL110"
    PYTHON_SYNTAX = "LL111"
    MERGE_KEY = "LL112"

    # 2xx: the structure of a scenario
    UNKNOWN_KEY = "LL201"
    MISSING_KEY = "LL202"
    WRONG_TYPE = "LL203"
    UNKNOWN_VALUE = "LL204"
    OUT_OF_RANGE = "LL205"
    NO_SCENARIO = "LL206"
    TOO_FEW_MODELS = "LL207"
    KEYS_CONFLICT = "LL208"
    UNKNOWN_MODEL = "LL209"
    BAD_NAME = "LL210"
    NO_INPUT = "LL211"
    BAD_VALUES = "LL212"
    BAD_MATRIX = "LL213"
    UNKNOWN_PLACEHOLDER = "LL214"
    BAD_EXPECTATION = "LL215"
    BAD_SELECT = "LL216"
    BAD_CHUNKS = "LL217"
    SHAPE_TOO_LARGE = "LL218"
    CONDITION = "LL219"
    UNKNOWN_NODE = "LL221"
    GRAPH_CYCLE = "LL222"
    BAD_NODE = "LL223"
    BAD_TRANSFER = "LL231"
    TRANSFER_REPEATS = "LL232"
    TRANSFER_MISFIT = "LL233"
    BAD_RUNTIME = "LL241"

    # 3xx: layers and their arguments
    UNKNOWN_LAYER = "LL301"
    UNKNOWN_ARGUMENT = "LL302"
    MISSING_ARGUMENT = "LL303"
    ARGUMENT_TYPE = "LL304"
    NOT_A_LAYER = "LL305"
    INPUT_AS_LAYER = "LL306"
    UNKNOWN_OBJECT = "LL307"
    CALL_ARGUMENT = "LL311"
    CALL_MISPLACED = "LL312"
    UNKNOWN_TENSOR = "LL313"

    # 4xx: files, code and models
    MISSING_FILE = "LL401"
    UNREADABLE_FILE = "LL402"
    NOT_A_MODEL_FILE = "LL403"
    DAMAGED_MODEL = "LL404"
    CODE_NOT_ALLOWED = "LL405"
    PYTHON_TARGET = "LL406"
    WEIGHTS_MISFIT = "LL407"
    FIXED_MODEL = "LL408"
    MEMORY = "LL409"
    STOPPED = "LL410"
    MODEL_RAISES = "LL411"
    NOT_A_MODEL = "LL412"
    CANNOT_RECORD = "LL413"
    MODEL_UNUSABLE = "LL414"

    # 5xx: the command line and calls from Python
    USAGE = "LL501"
    NO_SUCH_PATH = "LL502"
    CANNOT_WRITE = "LL503"
    NOT_A_REPORT = "LL504"
    NOT_INSTALLED = "LL505"
    BAD_OPTION = "LL506"
    DASK = "LL507"
    BAD_ARGUMENT = "LL508"
    NOTHING_TO_COMPARE = "LL509"
    MODELS_AND_SCENARIOS = "LL510"
    NO_SCRIPT = "LL511"
    CANNOT_DRAW = "LL512"
    BAD_SETTINGS = "LL513"
    NO_REVISION = "LL514"

    # 9xx: layerlens itself
    INTERNAL = "LL901"
