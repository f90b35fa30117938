"""The layers by which tokens see their neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.enrichment.ner.arrays import Floats, maxout


@dataclass(frozen=True, slots=True)
class Layer:
    """Hold a convolution over windows of three tokens: the best of some pieces, normalised."""

    weights: Floats  # 3 · width × pieces · width
    bias: Floats
    pieces: int
    gain: Floats
    shift: Floats

    def add_to(self, rows: Floats, windows: Floats, products: Floats) -> Floats:
        """Return rows (tokens × width) with what their windows add to them; the others are scratch."""
        before, own, after = np.split(windows, 3, axis=1)
        before[1:], own[:], after[:-1] = rows[:-1], rows, rows[1:]
        np.matmul(windows, self.weights, out=products)
        products += self.bias
        best = maxout(products, self.pieces)
        best -= best.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", best, best) / np.float32(best.shape[1]) + np.float32(1e-8)
        best /= np.sqrt(variance)[:, None]
        best *= self.gain
        best += self.shift
        best += rows
        return best


@dataclass(frozen=True, slots=True)
class Encoder:
    """Hold the layers, in order."""

    layers: Sequence[Layer]

    def encode(self, rows: Floats) -> Floats:
        """Return tokens × width, each token seen with as many neighbours a side as there are layers."""
        edge = len(self.layers)  # spaCy pads a text by as many rows, which the layers fill as well
        padded = np.pad(rows, ((edge, edge), (0, 0)))
        # Room for a text of usual length is a megabyte, which costs a tenth when each layer asks for its own.
        windows = np.zeros((len(padded), len(self.layers[0].weights)), np.float32)
        products = np.empty((len(padded), len(self.layers[0].bias)), np.float32)
        for layer in self.layers:
            padded = layer.add_to(padded, windows, products)
        return padded[edge:-edge]


def read_encoder(encode: Any) -> Encoder:
    """Read thinc's residual(expand_window >> maxout >> layernorm), repeated."""
    nodes = list(encode.walk())
    pairs = zip(
        [node for node in nodes if node.name == "maxout"],
        [node for node in nodes if node.name == "layernorm"],
        strict=True,
    )
    return Encoder([_read_layer(mix, norm) for mix, norm in pairs])


def _read_layer(mix: Any, norm: Any) -> Layer:
    weights = mix.get_param("W")  # width × pieces × inputs
    pieces, inputs = weights.shape[1:]
    return Layer(
        weights=weights.transpose(1, 0, 2).reshape(-1, inputs).T.copy(),
        bias=mix.get_param("b").T.ravel(),
        pieces=pieces,
        gain=norm.get_param("G"),
        shift=norm.get_param("b"),
    )
