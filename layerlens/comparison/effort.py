"""How much is spent on one pair, where each step costs a run of a whole model.

Without these limits the cost would grow with the square of a model's layers.
"""

from __future__ import annotations

#: Steps of recurrent layers that are called eagerly, over all batches, in each model of a pair:
#: such a call takes milliseconds a step. A first batch is called so, however long it is.
MAX_EAGER_STEPS = 512
#: Up to this many weights are each perturbed alone. Of more, a gradient shows most at once.
FEW_WEIGHTS = 24
#: The most runs with perturbed weights, for each set of weights of a model.
MAX_NUDGES = 96
#: Up to this many layers are each removed alone. Of more, a gradient shows most at once.
FEW_LAYERS = 24
#: The most runs without a layer, for each set of weights of a model.
MAX_REMOVALS = 48
