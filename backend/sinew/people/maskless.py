"""A landmark model without what only its mask needs: a third of the plain model's work (a tenth of the heavy one's).

One look at a person is enough for a mask, but the runtime computes every output that a model names. So a model is read as the
graph that it is, one output is taken off its list, and every operation that then leads nowhere is left out. The others'
results stay the same to the last bit (tests/engine/test_people_landmarks.py).

Source: the TensorFlow Lite schema (Apache-2.0), as the runtime's package ships it.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

import numpy as np

FILE_IDENTIFIER = b"TFL3"


@lru_cache(maxsize=2)
def without_output(model: bytes, shape: tuple[int, ...]) -> bytes:
    """A model without its outputs of one shape, and without the operations that only those need.

    Args:
        model: The bytes of a `.tflite` file with one graph.
        shape: Of the outputs that are left out.

    Raises:
        Exception: Of the schema's kinds: the runtime's package is missing or broken, or this is no such model.
    """
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    flatbuffers = importlib.import_module("flatbuffers")
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = tree.subgraphs[0]
    graph.outputs = np.array([k for k in graph.outputs if tuple(graph.tensors[k].shape) != shape], np.int32)
    needed, kept = set(graph.outputs.tolist()), []
    for operation in reversed(graph.operators):
        if needed.intersection(np.asarray(operation.outputs).tolist()):
            kept.append(operation)
            needed.update(np.asarray(operation.inputs).tolist())
    graph.operators = kept[::-1]
    # Signatures name the outputs too; nothing here calls a model by them.
    tree.signatureDefs = []
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())
