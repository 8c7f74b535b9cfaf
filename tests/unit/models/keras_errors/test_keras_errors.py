"""Each remedy is tried: the broken layers are refused by Keras, and the mended ones build."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from layerlens.models.keras_errors import (
    clean_reason,
    explain_build_error,
    explain_call_error,
    explain_target,
)
from layerlens.report.layers import ModelError
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults
from layerlens.scenario.reading.layers import read_layer
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping
from tests.unit.tables.every_layer import CASES, Case

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shapes | broken layers | words of the remedy | layers mended as it says
CHAINS = """
stacked lstm | [5, 3] | LSTM: 8, LSTM: 8 | `lstm` returns only its last step, shape (None, 8); \
set `return_sequences: true` on it, or put `RepeatVector` between | \
LSTM: {units: 8, return_sequences: true}, LSTM: 8
stacked lstm, repeated | [5, 3] | LSTM: 8, LSTM: 8 | or put `RepeatVector` between | \
LSTM: 8, RepeatVector: 4, LSTM: 8
dropout between | [5, 3] | GRU: 8, Dropout: 0.5, SimpleRNN: 2 | `gru` returns only its last step | \
GRU: {units: 8, return_sequences: true}, Dropout: 0.5, SimpleRNN: 2
behind bidirectional | [5, 3] | Bidirectional: {layer: {LSTM: 8}}, LSTM: 8 | \
`bidirectional` returns only its last step, shape (None, 16); set `return_sequences: true` on the \
layer it holds | Bidirectional: {layer: {LSTM: {units: 8, return_sequences: true}}}, LSTM: 8
time distributed behind lstm | [5, 3] | LSTM: 8, TimeDistributed: {layer: {Dense: 2}} | \
`return_sequences: true` on it | \
LSTM: {units: 8, return_sequences: true}, TimeDistributed: {layer: {Dense: 2}}
time distributed left out | [5] | TimeDistributed: {layer: {Dense: 2}} | \
`Dense` alone takes a vector too | Dense: 2
time distributed on a vector | [5] | TimeDistributed: {layer: {Dense: 2}} | \
`Reshape: {target_shape: [5, 1]}` | \
Reshape: {target_shape: [5, 1]}, TimeDistributed: {layer: {Dense: 2}}
cell on a vector | [5, 3] | GRU: 8, RNN: {cell: {LSTMCell: 4}} | `return_sequences: true` on it | \
GRU: {units: 8, return_sequences: true}, RNN: {cell: {LSTMCell: 4}}
flatten before lstm | [5, 3] | Flatten, LSTM: 8 | `flatten` makes one vector of the sequence, \
shape (None, 15); leave it out | LSTM: 8
lstm on numbers | [5] | LSTM: 8 | declare it as `shape: [5, 1]` | Reshape: [5, 1], LSTM: 8
lstm on variable numbers | [null] | LSTM: 8 | `Reshape: {target_shape: [-1, 1]}` | \
Reshape: [-1, 1], LSTM: 8
lstm on an image | [28, 28, 3] | LSTM: 8 | `Reshape: {target_shape: [28, 84]}` | \
Reshape: {target_shape: [28, 84]}, LSTM: 8
lstm on a video | [2, 9, 9, 3] | LSTM: 8 | use `ConvLSTM2D` | \
ConvLSTM2D: {filters: 2, kernel_size: 3}
time distributed lstm | [5, 3] | TimeDistributed: {layer: {LSTM: 8}} | \
leave `TimeDistributed` out | LSTM: 8
time distributed image | [9, 9, 3] | TimeDistributed: {layer: {Conv2D: {filters: 2, \
kernel_size: 3}}} | `Reshape: {target_shape: [1, 9, 9, 3]}` | Reshape: [1, 9, 9, 3], \
TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: 3}}}
twice time distributed | [5, 3] | TimeDistributed: {layer: {TimeDistributed: {layer: {Dense: 2}}}} \
| leave one `TimeDistributed` out | TimeDistributed: {layer: {Dense: 2}}
repeated sequence | [5, 3] | LSTM: {units: 3, return_sequences: true}, RepeatVector: 4 | \
set `return_sequences: false` on it | LSTM: {units: 3, return_sequences: false}, RepeatVector: 4
repeated input | [5, 3] | RepeatVector: 4 | `GlobalAveragePooling1D` or `Flatten` before it | \
GlobalAveragePooling1D, RepeatVector: 4
repeated image | [5, 3, 2] | RepeatVector: 4 | `GlobalAveragePooling2D` before it | \
GlobalAveragePooling2D, RepeatVector: 4
one number, normalised | [] | LayerNormalization | `shape: [1]` | Reshape: [1], LayerNormalization
alias | [4, 4, 3] | MaxPool2D: 5 | take `pool_size: 4` or less | MaxPool2D: 4
kernel in a video | [3, 4, 9, 2] | ConvLSTM2D: {filters: 2, kernel_size: 5} | `kernel_size` 5 does \
not fit in axis 2 of (None, 3, 4, 9, 2), which is 4 | ConvLSTM2D: {filters: 2, kernel_size: 4}
stride of nothing | [8, 6] | MaxPooling1D: {strides: 0} | at least 1 | MaxPooling1D: {strides: 1}
dtype | [4] | Dense: {units: 2, dtype: float23} | the nearest is `dtype: float32` | \
Dense: {units: 2, dtype: float32}
same name | [4] | Dense: {units: 2, name: a}, Dense: {units: 2, name: a} | another `name` | \
Dense: {units: 2, name: a}, Dense: 2
no channels | [28, 28] | Conv2D: {filters: 2, kernel_size: 3} | has no channel axis for `Conv2D`: \
declare the input as `shape: [28, 28, 1]` | Reshape: [28, 28, 1], Conv2D: {filters: 2, \
kernel_size: 3}
a sequence after all | [28, 4] | MaxPooling2D: 2 | use `MaxPooling1D` | MaxPooling1D: 2
image for a volume | [9, 9, 3] | Conv3D: {filters: 2, kernel_size: 3} | for an image use \
`Conv2D` | \
Conv2D: {filters: 2, kernel_size: 3}
image as a vector | [784] | Conv2D: {filters: 2, kernel_size: 3} | \
`Reshape: {target_shape: [28, 28, 1]}` | Reshape: [28, 28, 1], Conv2D: {filters: 2, kernel_size: 3}
flatten before conv | [9, 9, 3] | Flatten, Conv2D: {filters: 2, kernel_size: 3} | \
put it behind `conv2d` | Conv2D: {filters: 2, kernel_size: 3}, Flatten
samples counted in | [100, 9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3} | \
if 100 is the number of samples, leave it out of `shape` | \
TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: 3}}}
conv1d on an image | [9, 9, 3] | Conv1D: {filters: 2, kernel_size: 3} | use `Conv2D` | \
Conv2D: {filters: 2, kernel_size: 3}
conv1d on a vector | [9] | Conv1D: {filters: 2, kernel_size: 3} | `shape: [9, 1]` | \
Reshape: [9, 1], Conv1D: {filters: 2, kernel_size: 3}
convlstm on an image | [9, 9, 3] | ConvLSTM2D: {filters: 2, kernel_size: 3} | \
`Reshape: {target_shape: [1, 9, 9, 3]}` | Reshape: [1, 9, 9, 3], ConvLSTM2D: {filters: 2, \
kernel_size: 3}
global pooling twice | [9, 3] | GlobalMaxPooling1D, GlobalAveragePooling1D | \
is one vector per sample already; leave `global_average_pooling1d` out | GlobalMaxPooling1D
upsampling | [9, 3] | UpSampling2D: 2 | use `UpSampling1D` | UpSampling1D: 2
padding an image | [9, 9, 3] | ZeroPadding1D: 2 | use `ZeroPadding2D` | ZeroPadding2D: 2
cropping a sequence | [9, 3] | Cropping2D: 2 | use `Cropping1D` | Cropping1D: 2
transposed | [9, 3] | Conv2DTranspose: {filters: 2, kernel_size: 3} | \
for a sequence use `Conv1DTranspose` | Conv1DTranspose: {filters: 2, kernel_size: 3}
spatial dropout | [9, 3] | SpatialDropout2D: 0.5 | use `SpatialDropout1D` | SpatialDropout1D: 0.5
spatial dropout of a vector | [9] | SpatialDropout1D: 0.5 | use `Dropout` | Dropout: 0.5
one number | [] | Dense: 2 | `Reshape: {target_shape: [1]}` | Reshape: [1], Dense: 2
permute | [9, 3, 2] | Permute: [2, 1] | 3 entries, such as `dims: [2, 3, 1]` | Permute: [2, 3, 1]
permute from zero | [9, 3] | Permute: [0, 1] | counted from 1 | Permute: [2, 1]
large kernel | [4, 9, 3] | Conv2D: {filters: 2, kernel_size: 5} | `kernel_size` 5 does not fit in \
axis 1 of (None, 4, 9, 3), which is 4; take `kernel_size: 4` or less | \
Conv2D: {filters: 2, kernel_size: 4}
large kernel, padded | [4, 9, 3] | Conv2D: {filters: 2, kernel_size: 5} | set `padding: same` | \
Conv2D: {filters: 2, kernel_size: 5, padding: same}
spread kernel | [8, 3] | Conv1D: {filters: 2, kernel_size: 5, dilation_rate: 2} | \
`kernel_size` 5, spread over 9 by `dilation_rate: 2`, does not fit in axis 1 of (None, 8, 3), \
which \
is 8; take `kernel_size: 4` or less | Conv1D: {filters: 2, kernel_size: 4, dilation_rate: 2}
large pool | [4, 3] | AveragePooling1D: 5 | take `pool_size: 4` or less | AveragePooling1D: 4
large kernel in time | [5, 4, 4, 3] | TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: \
5}}} | take `kernel_size: 4` or less | TimeDistributed: {layer: {Conv2D: {filters: 2, \
kernel_size: 4}}}
channels first | [3, 9, 9] | Conv2D: {filters: 2, kernel_size: 5} | looks as if the channels came \
first; put `Permute: {dims: [2, 3, 1]}` before `conv2d` | Permute: [2, 3, 1], \
Conv2D: {filters: 2, kernel_size: 5}
cropped away | [4, 4, 3] | Cropping2D: 2 | crop less on both sides together | Cropping2D: 1
variable features | [null] | Dense: 2 | declare `shape: [null, 1]` | Reshape: [-1, 1], Dense: 2
flattened length | [null, 4] | Flatten, Dense: 2 | `flatten` joins a variable axis into the \
features, so their number is unknown to `dense`; put `GlobalAveragePooling1D` in its place | \
GlobalAveragePooling1D, Dense: 2
variable slopes | [null, 3] | PReLU | set `shared_axes: [1]` | PReLU: {shared_axes: [1]}
variable axis normalised | [null, 4] | BatchNormalization: {axis: 1} | set `axis: -1` | \
BatchNormalization: {axis: -1}
reshape | [12] | Reshape: [5, 2] | (None, 12) holds 12 numbers per sample; `target_shape: [-1, 2]` \
would hold them | Reshape: [-1, 2]
reshape uneven | [13] | Reshape: [5, 2] | [5, 2] holds 10; the sizes in `target_shape` have to \
multiply to 13, such as [-1] | Reshape: [-1]
reshape unknowns | [12] | Reshape: [-1, -1] | only one entry of `target_shape: [-1, -1]` can be \
-1 | \
Reshape: [-1, 6]
axis too far | [5, 4] | BatchNormalization: {axis: 5} | -1 is the last of (None, 5, 4) | \
BatchNormalization: {axis: -1}
axis too far, layer norm | [5, 4] | LayerNormalization: {axis: 3} | count axes from 0, the batch, \
to 2 | LayerNormalization: {axis: 2}
groups of channels | [5, 6] | GroupNormalization | `groups` has to divide the 6 channels: \
`1`, `2`, `3` or `6` | GroupNormalization: {groups: 3}
groups in conv | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, groups: 2} | divide the 3 \
channels \
of (None, 9, 9, 3): `1` or `3` | Conv2D: {filters: 3, kernel_size: 3, groups: 3}
groups of filters | [9, 9, 4] | Conv2D: {filters: 3, kernel_size: 3, groups: 2} | `filters: 4`, or \
`groups: 1` | Conv2D: {filters: 4, kernel_size: 3, groups: 2}
statistics | [5, 4] | Normalization: {mean: [1, 2, 3], variance: [1, 2, 3]} | one number for \
each of \
the 4 features | Normalization: {mean: [1, 2, 3, 4], variance: [1, 2, 3, 4]}
activation | [5] | Dense: {units: 3, activation: rleu} | the nearest is `relu` | \
Dense: {units: 3, activation: relu}
initializer | [5] | Dense: {units: 3, kernel_initializer: xavier} | the nearest is \
`glorot_uniform` | \
Dense: {units: 3, kernel_initializer: glorot_uniform}
constraint | [5] | Dense: {units: 3, kernel_constraint: maxnorm} | the nearest is `max_norm` | \
Dense: {units: 3, kernel_constraint: max_norm}
no units | [5] | Dense: 0 | `units` counts something: a whole number of at least 1 | Dense: 1
percent | [5] | Dropout: 50 | for 50 percent write `rate: 0.5` | Dropout: 0.5
strides and dilation | [9, 3] | Conv1D: {filters: 2, kernel_size: 3, strides: 2, dilation_rate: \
2} | \
leave out either | Conv1D: {filters: 2, kernel_size: 3, strides: 2}
padding | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, padding: causal} | take `same` or \
`valid` | \
Conv2D: {filters: 2, kernel_size: 3, padding: same}
data format | [9, 3] | Conv1D: {filters: 2, kernel_size: 3, data_format: channel_last} | \
the nearest is `data_format: channels_last` | Conv1D: {filters: 2, kernel_size: 3, data_format: \
channels_last}
merge mode | [5, 3] | Bidirectional: {layer: {LSTM: 2}, merge_mode: add} | \
the nearest is `merge_mode: sum` | Bidirectional: {layer: {LSTM: 2}, merge_mode: sum}
both forward | [5, 3] | Bidirectional: {layer: {LSTM: 2}, backward_layer: {LSTM: 2}} | \
set `go_backwards: true` on one | \
Bidirectional: {layer: {LSTM: 2}, backward_layer: {LSTM: {units: 2, go_backwards: true}}}
no direction | [5, 3] | Bidirectional: {layer: {Dense: 2}} | use `Dense` itself | Dense: 2
layer for a cell | [5, 3] | RNN: {cell: {LSTM: 3}} | use `LSTMCell` in its place | \
RNN: {cell: {LSTMCell: 3}}
layer among cells | [5, 3] | RNN: {cell: [{LSTMCell: 3}, {GRU: 2}]} | use `GRUCell` in its place | \
RNN: {cell: [{LSTMCell: 3}, {GRUCell: 2}]}
nothing to normalise | [5, 3] | SpectralNormalization: {layer: {Dropout: 0.5}} | \
holds a layer with a kernel, such as `Dense` | SpectralNormalization: {layer: {Dense: 2}}
output padding | [5, 3] | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 2} | at most 1 | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 1}
either argument | [5] | Discretization | set `bin_boundaries` or `num_bins` | \
Discretization: {bin_boundaries: [0, 1]}
value of an argument | [5] | ReLU: {max_value: -1} | change `max_value: -1` | ReLU: {max_value: 1}
states come along | [5, 3] | LSTM: {units: 4, return_state: true}, Dense: 2 | `lstm` returns its \
states beside its output; leave `return_state: true` out | LSTM: 4, Dense: 2
rows fixed | [4, null, 5, 2] | ConvLSTM2D: {filters: 2, kernel_size: 3} | in place of `null` | none
"""

#: name | shapes of a and b | broken node `x` | words of the remedy | nodes mended, the last is `x`
GRAPHS = """
widths | [4] [5] | Add, from: [a, b] | axis 1 is 4 in (None, 4) and 5 in (None, 5); bring both to \
one width, as with `Dense: 4` behind the second | d: {Dense: 4, from: [b]}, x: {Add, from: [a, d]}
widths, joined | [4] [5] | Multiply, from: [a, b] | or join them with `Concatenate` | \
x: {Concatenate, from: [a, b]}
lengths | [7, 4] [6, 4] | Add, from: [a, b] | `Cropping1D: {cropping: [0, 1]}` behind the larger | \
d: {Cropping1D: [0, 1], from: [a]}, x: {Add, from: [d, b]}
images | [8, 8, 4] [7, 7, 2] | Concatenate, from: [a, b] | \
`ZeroPadding2D: {padding: [[0, 1], [0, 1]]}` behind the smaller | \
d: {ZeroPadding2D: [[0, 1], [0, 1]], from: [b]}, x: {Concatenate, from: [a, d]}
ranks | [4] [3, 5] | Add, from: [a, b] | put `Dense: 5` and then `RepeatVector: 3` behind the \
vector | \
c: {Dense: 5, from: [a]}, d: {RepeatVector: 3, from: [c]}, x: {Add, from: [d, b]}
ranks joined | [4] [3, 5] | Concatenate, from: [a, b] | `RepeatVector: 3` behind the vector | \
d: {RepeatVector: 3, from: [a]}, x: {Concatenate, from: [d, b]}
axis joined | [7, 4] [6, 4] | Concatenate, from: [a, b] | and only axis 2 is joined; set `axis: \
1` | \
x: {Concatenate: 1, from: [a, b]}
axis beyond | [7, 4] [7, 4] | Concatenate: 5, from: [a, b] | -1 is the last | \
x: {Concatenate: -1, from: [a, b]}
three subtracted | [4] [4] | Subtract, from: [a, b, b] | join two, and the result with the next | \
d: {Subtract, from: [a, b]}, x: {Subtract, from: [d, b]}
dot | [7, 4] [4, 5] | Dot: -1, from: [a, b] | `axes: [2, 1]` would fit | \
x: {Dot: [2, 1], from: [a, b]}
dot of widths | [4] [5] | Dot: 1, from: [a, b] | `Dense: 4` behind the second | \
d: {Dense: 4, from: [b]}, x: {Dot: 1, from: [a, d]}
two for one | [4] [5] | Dense: 3, from: [a, b] | join them first with `Concatenate` | \
d: {Concatenate, from: [a, b]}, x: {Dense: 3, from: [d]}
two for time distributed | [4, 2] [4, 2] | TimeDistributed: {layer: {Dense: 3}}, from: [a, b] | \
with `Concatenate` or `Add` | d: {Add, from: [a, b]}, \
x: {TimeDistributed: {layer: {Dense: 3}}, from: [d]}
one for attention | [4, 2] [5] | Attention, from: [a] | `from: [a, a]` | \
x: {Attention, from: [a, a]}
one for heads | [4, 2] [5] | MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a] | \
takes a query and a value | x: {MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a, a]}
keys of another length | [4, 2] [5, 2] | MultiHeadAttention: {num_heads: 2, key_dim: 3}, \
from: [a, a, b] | leave the key out | \
x: {MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a, b]}
score mode | [4, 2] [5, 2] | Attention: {score_mode: dotted}, from: [a, b] | \
the nearest is `score_mode: dot` | x: {Attention: {score_mode: dot}, from: [a, b]}
"""


def _cases(table: str) -> list[Any]:
    lines = table.strip().splitlines()
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [pytest.param(*rest, id=name) for name, *rest in cells]


def _yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


def _layers(text: str) -> list[Any]:
    return [_yaml(f"{{{layer}}}") if ":" in layer else layer for layer in _split(text)]


def _split(text: str) -> list[str]:
    """Split at commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part.strip() for part in (*parts, text[start:])]


def _nodes(text: str) -> dict[str, Any]:
    nodes = {}
    for part in _split(text):
        name, _, node = part.partition(": ")
        nodes[name] = _node(node.strip("{}") if node.count("{") == 1 else node[1:-1])
    return nodes


def _node(text: str) -> dict[str, Any]:
    layer, inputs = _split(text)
    given = _yaml(f"{{{layer}}}") if ":" in layer else {layer: None}
    return {**given, **_yaml(f"{{{inputs}}}")}


def _build(inputs: dict[str, Any], model: Any) -> Any:
    from layerlens.models.build_model import build_model
    from layerlens.scenario.reading.scenarios import scenario_from_mapping

    other = {"graph": {"f": {"Flatten": None, "from": [next(iter(inputs))]}}, "outputs": ["f"]}
    key = {"inputs": inputs} if len(inputs) > 1 else {"input": inputs["input"]}
    (scenario,) = scenario_from_mapping({**key, "models": {"subject": model, "other": other}})
    spec = scenario.model("subject")
    return build_model(spec, scenario.inputs_of(spec), allocate=False)


def _error_of(built: Any) -> ModelError:
    error = built.report.error
    assert error is not None, f"Keras built it: {built.report.output_shape}"
    _check_can_be_typed(error.hint or "")
    return error


#: What a hint may say that is no argument of a layer, nor a layer: keys of a scenario.
KEYS = ("from", "shape", "target", "loss", "high", "low", "dtype", "select")


def _check_can_be_typed(hint: str) -> None:
    """Hold everything in a hint that is written as YAML against the reader."""
    for text in re.findall(r"`([^`]+)`", hint):
        key, colon, _ = text.partition(": ")
        if not colon or " " in key:
            continue
        document = parse_yaml(f"[{{{text}}}]", "<hint>")
        assert not document.faults, f"{text}: {document.faults}"
        (item,) = document.value
        if key in keras_catalog.layer_names():
            faults = Faults("<hint>")
            read_layer(item, None, faults)
            assert not faults, f"{text}: {faults.found}"
        elif key not in KEYS:
            takers = [n for n in keras_catalog.layer_names() if _offers(n, key)]
            assert takers, f"no layer has an argument `{key}`: {hint}"
            assert any(_takes(name, key, item[key]) for name in takers), f"{text}: {hint}"


def _offers(name: str, argument: str) -> bool:
    return keras_catalog.signature(name).argument(argument) is not None


def _takes(name: str, argument: str, value: Any) -> bool:
    item, body = YamlMapping(), YamlMapping()
    body.put(argument, value, None, None)
    item.put(name, body, None, None)
    faults = Faults("<hint>")
    read_layer(item, None, faults)
    return not any(argument in fault.message.split("needs")[0] for fault in faults.found)


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), _cases(CHAINS))
def test_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    inputs = {"input": {"shape": _yaml(shape)}}
    error = _error_of(_build(inputs, _layers(broken)))
    assert words in (error.hint or "")
    assert "Arguments received" not in error.message
    if mended != "none":
        assert _build(inputs, _layers(mended)).report.error is None


@pytest.mark.parametrize(("shapes", "broken", "words", "mended"), _cases(GRAPHS))
def test_graph_is_mended_by_its_remedy(shapes: str, broken: str, words: str, mended: str) -> None:
    a, b = shapes.replace("] [", "]|[").split("|")
    inputs = {"a": {"shape": _yaml(a)}, "b": {"shape": _yaml(b)}}
    rest = {"rest": {"Flatten": None, "from": ["b"]}}
    broken_model = {"graph": {"x": _node(broken), **rest}, "outputs": ["x", "rest"]}
    error = _error_of(_build(inputs, broken_model))
    assert words in (error.hint or "")
    mended_model = {"graph": {**_nodes(mended), **rest}, "outputs": ["x", "rest"]}
    assert _build(inputs, mended_model).report.error is None


@pytest.mark.parametrize("layers", ["Dense: {units: 2, activation: rleu}", "Dense: 0"])
def test_refused_layer_has_the_name_keras_would_have_given_it(layers: str) -> None:
    error = _error_of(_build({"input": {"shape": [3]}}, _layers(f"Dense: 3, {layers}")))
    assert error.layer == "dense_1"


#: Shapes that most layers do not want.
SHAPES = [(), (5,), (None,), (9, 4), (None, 4), (9, 9), (9, 9, 3), (None, None, 3), (5, 9, 9, 3)]
#: These ask for a second remedy behind the first: more entries, or other groups.
TWICE = ("STFTSpectrogram", "GroupNormalization")
ALONE = [case for case in CASES if len(case.inputs) == 1 and case.id not in TWICE]


@pytest.mark.parametrize("case", ALONE, ids=[case.id for case in ALONE])
def test_reshape_and_sister_layer_in_a_remedy_build(case: Case) -> None:
    (given,) = case.inputs
    for shape in SHAPES:
        hint = _refusal_of(given, shape, case.layer)
        _check_can_be_typed(hint)
        for axes in re.findall(r"put `Reshape: {target_shape: \[([^]]*)\]}` before", hint):
            reshape = LayerSpec("Reshape", {"target_shape": [int(n) for n in axes.split(",")]})
            assert not _refusal_of(given, shape, reshape, case.layer), f"{shape}: {hint}"
        for axes in re.findall(r"declare (?:it|the input) as `shape: \[([^]]*)\]`", hint):
            declared = tuple(None if n.strip() == "null" else int(n) for n in axes.split(","))
            assert not _refusal_of(given, declared, case.layer), f"{shape}: {hint}"
        for sister in re.findall(r"use `(\w+)`(?!, which)", hint):
            other = LayerSpec(sister, case.layer.arguments)
            assert not _refusal_of(given, shape, other), f"{shape}: {hint}"


def _refusal_of(given: InputSpec, shape: Any, *layers: LayerSpec) -> str:
    """The remedy where Keras refuses the layers, else nothing."""
    from layerlens.models.build_model import build_model

    spec = ModelSpec("m", "layers", layers=layers)
    error = build_model(spec, (replace(given, shape=shape),), allocate=False).report.error
    return (error.hint or "") if error else ""


def test_shared_layer_on_another_width() -> None:
    inputs = {"a": {"shape": [5]}, "b": {"shape": [6]}}
    graph = {"d": {"Dense": 2, "from": ["a"]}, "x": {"share": "d", "from": ["b"]}}
    error = _error_of(_build(inputs, {"graph": graph, "outputs": ["x"]}))
    assert "`d` was made for an axis -1 of 5 and now gets (None, 6)" in (error.hint or "")


def test_remedy_is_for_the_layer_that_led_here_not_for_one_of_the_same_shape() -> None:
    inputs = {"a": {"shape": [5, 3]}, "b": {"shape": [5, 3]}}
    lstm = {"LSTM": {"units": 4, "return_sequences": False}}
    graph = {
        "mine": {**lstm, "from": ["a"]},
        "dropped": {"Dropout": 0.5, "from": ["mine"]},
        "other": {**lstm, "from": ["b"]},
        "x": {"LSTM": 4, "from": ["dropped"]},
    }
    error = _error_of(_build(inputs, {"graph": graph, "outputs": ["x", "other"]}))
    assert (error.hint or "").startswith("`mine` returns only its last step, shape (None, 4);")


def test_unknown_refusal_keeps_kerass_reason_and_says_what_the_layer_takes() -> None:
    error = explain_build_error(
        ValueError("something nobody foresaw\n\nArguments received by LSTM.call():\n  • x=1"),
        layer_name="lstm",
        layer_type="LSTM",
        arguments={"units": 4},
        input_shapes=[(None, 5, 3)],
        before=[],
    )
    assert error.message == "something nobody foresaw"
    assert error.hint == (
        "`LSTM` takes a sequence, (steps, features); here it got (None, 5, 3) "
        "(`layerlens layers LSTM` lists its arguments)"
    )


def test_reason_is_freed_of_noise() -> None:
    noisy = (
        "Exception encountered when calling Attention.call().\n\n"
        "\x1b[1mDimensions must be equal, but are 3 and 4 for '{{node td_1/attention_1/MatMul}} = "
        "BatchMatMulV2[T=DT_FLOAT](q, td_1/attention_1/transpose)' with input shapes: [?,5,3], "
        "[?,4,6].\x1b[0m\n\nArguments received by Attention.call():\n  • inputs=['...']"
    )
    assert clean_reason(ValueError(noisy)) == (
        "Dimensions must be equal, but are 3 and 4 with input shapes: [?,5,3], [?,4,6]."
    )
    assert clean_reason(IndexError()) == "IndexError"


#: name | layers on an input (variable, 3) or as given | how it is called | words of the remedy
CALLS = {
    "tokens": (
        [2],
        "int32",
        ["Embedding: [4, 2]"],
        [[1, 7]],
        "`input_dim` above the largest token",
    ),
    "reshape": (
        [None, 3],
        "float32",
        ["Reshape: [[4, 3]]"],
        [[[0.0] * 3] * 5],
        "use -1 for the axis",
    ),
    "kernel": ([None, 3], "float32", ["Conv1D: [2, 3]"], [[[0.0] * 3]], "larger than this input"),
    "masked softmax": (
        [4, 3],
        "float32",
        ["Masking", "Softmax"],
        [[[0.0] * 3] * 4],
        "`Activation:",
    ),
    "axis": ([4, 3], "float32", ["Softmax: [5]"], [[[0.0] * 3] * 4], "-1 is the last"),
    "integers": ([4, 3], "int32", ["Conv1D: [2, 3]"], [[[0] * 3] * 4], "`dtype: float32`"),
    "bytes": ([4, 3], "uint8", ["Conv1D: [2, 3]"], [[[0] * 3] * 4], "is given uint8; put"),
    "truth values": ([4, 3], "bool", ["Softmax"], [[[True] * 3] * 4], "is given bool; put"),
    "long integers": ([4, 3], "int64", ["ELU"], [[[0] * 3] * 4], "is given int64; put"),
    "mask of places": (
        [3, 5, 2],
        "float32",
        ["Masking", "ConvLSTM1D: [1, 2]"],
        [[[[0.0] * 2] * 5] * 3],
        "set `padding: same` and leave `strides` at 1, or leave the masking out",
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("execution", ["eager", "traced_dynamic"])
def test_failing_call_names_layer_and_remedy(name: str, execution: str) -> None:
    import keras
    import tensorflow as tf

    from layerlens.models.inspect.layer_table import layer_rows

    shape, dtype, layers, data, words = CALLS[name]
    given = result = keras.Input(tuple(shape), dtype=dtype)
    for layer in layers:
        kind, _, arguments = layer.partition(": ")
        result = getattr(keras.layers, kind)(*_yaml(arguments or "[]"))(result)
    model = keras.Model(given, result)
    signature = [tf.TensorSpec([None, *shape], dtype)]
    call = model if execution == "eager" else tf.function(model, input_signature=signature)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (each kind raises another)
        call(tf.constant(data, dtype))
    rows = layer_rows(model)
    error = explain_call_error(caught.value, execution=execution, layers=rows)
    assert error.layer == rows[-1].name
    assert words in (error.hint or "")
    _check_can_be_typed(error.hint or "")
    assert "{{" not in error.message
    assert "NodeDef" not in error.message
    assert "in user code" not in error.message


@pytest.mark.parametrize(
    ("given", "broken", "mended"),
    [
        (
            {"shape": [3, 5, 2]},
            [{"Masking": -1.0}, {"ConvLSTM1D": {"filters": 1, "kernel_size": 2}}],
            [
                {"Masking": -1.0},
                {"ConvLSTM1D": {"filters": 1, "kernel_size": 2, "padding": "same"}},
            ],
        ),
        (
            {"shape": [8, 1], "dtype": "uint8"},
            [{"DepthwiseConv1D": 3}],
            [{"Rescaling": 1.0}, {"DepthwiseConv1D": 3}],
        ),
    ],
)
def test_a_remedy_for_a_failing_call_is_true(given: Any, broken: Any, mended: Any) -> None:
    import numpy as np

    from layerlens.models.build_model import build_model
    from layerlens.models.execute.keras_runner import KerasRunner
    from layerlens.scenario.reading.scenarios import scenario_from_mapping

    data = {"input": given, "models": {"broken": broken, "mended": mended}}
    (scenario,) = scenario_from_mapping(data)
    inputs = (np.ones((2, *given["shape"]), given.get("dtype", "float32")),)
    failed, passed = (
        KerasRunner(build_model(model, scenario.inputs)).run(inputs, "eager")
        for model in scenario.models
    )
    assert failed.error is not None
    assert passed.error is None


def test_states_that_come_along_are_left_out() -> None:
    layers = _layers("GRU: {units: 3, return_state: true}, Dense: 2")
    hint = _error_of(_build({"input": {"shape": [4, 2]}}, layers)).hint
    assert hint == (
        "`gru` returns its states beside its output; leave `return_state: true` out of it"
    )


def test_failing_call_without_a_rule_claims_no_more_than_is_known() -> None:
    error = explain_call_error(RuntimeError("odd"), execution="traced_dynamic")
    assert error.layer is None
    assert error.message.startswith("the model fails when traced with unknown batch")
    assert "it builds, so the shapes agree" in (error.hint or "")


@pytest.mark.parametrize(
    ("loss", "target", "output", "words", "hint"),
    [
        ("mse", (64, 8), (None, 8), "rank differs", "`return_sequences: true`"),
        ("mse", (8,), (None, 64, 8), "rank differs", "`return_sequences: false`"),
        ("categorical_crossentropy", (), (None, 8), "class numbers", "sparse_categorical"),
        ("categorical_crossentropy", (1,), (None, 8), "last axis is 1", "sparse_categorical"),
        ("sparse_categorical_crossentropy", (8,), (None, 8), "one-hot", "categorical_crossentropy"),
        ("sparse_categorical_crossentropy", (5, 2), (None, 8), "rank 1", "{shape: []}"),
        ("MeanSquaredError", (4,), (None, 8), "axis 1, 4 against 8", "last layer 4 units"),
        (
            "mse",
            (10,),
            (None, 26, 26, 10),
            "rank differs",
            "`GlobalAveragePooling2D` before the last",
        ),
        ("binary_crossentropy", (1,), (None, 2), "axis 1, 1 against 2", "last layer 1 unit,"),
        ("binary_crossentropy", (8, 2), (None, 4, 2), "axis 1, 8 against 4", "{shape: [4, 2]}"),
    ],
)
def test_target_that_does_not_fit(
    loss: str, target: tuple[int, ...], output: tuple[Any, ...], words: str, hint: str
) -> None:
    error = explain_target(loss, target, output)
    assert error is not None
    assert words in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("loss", "target", "output"),
    [
        ("mse", (64, 8), (None, 64, 8)),
        ("mse", (64, 8), (None, None, 8)),
        ("sparse_categorical_crossentropy", (), (None, 8)),
        ("sparse_categorical_crossentropy", (1,), (None, 8)),
        ("SparseCategoricalCrossentropy", (64,), (None, 64, 8)),
        ("binary_crossentropy", (1,), (None, 1)),
        ("binary_crossentropy", (), (None, 1)),
        ("mse", (64, 1), (None, 64)),
    ],
)
def test_target_that_fits(loss: str, target: tuple[int, ...], output: tuple[Any, ...]) -> None:
    assert explain_target(loss, target, output) is None
