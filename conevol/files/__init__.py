"""Reading and writing the weights of bias-free one-layer ReLU RNNs.

A network is W_hi (hidden,), W_hh (hidden, hidden) and W_oh (n, hidden).  Files are
.npz, .json, .safetensors or PyTorch's .pth, with these names or with those of a
PyTorch state dict (``rnn.weight_ih_l0``, ``rnn.weight_hh_l0``, ``linear.weight``).
No file is trusted: none can run code, and sizes are bounded before memory is taken.
"""

from __future__ import annotations

from conevol.files.formats import load_weights, save_weights
from conevol.files.weights import Weights, validate_weights

__all__ = ["Weights", "load_weights", "save_weights", "validate_weights"]
