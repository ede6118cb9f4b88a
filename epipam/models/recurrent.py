"""Recurrent layers over both anchors, as Keras begins them, in which the published ones are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def initialise_recurrent(layer: nn.GRU | nn.LSTM) -> None:
    """Give a layer Glorot input weights, orthogonal recurrent ones, and zero biases.

    The forget gates of an LSTM begin open, with a bias of one.
    """
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("weight_hh"):
                if not parameter.is_meta:  # where only shapes are wanted, it costs seconds
                    nn.init.orthogonal_(parameter)
            else:
                parameter.zero_()
                if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):
                    parameter[layer.hidden_size : 2 * layer.hidden_size] = 1


def along_both(layer: nn.GRU | nn.LSTM, features: Tensor) -> Tensor:
    """Run a bidirectional layer along positions.

    Parameters
    ----------
    features
        float (N, channels, positions).

    Returns
    -------
    float (N, positions, 2 * units): the forward direction's states, then the backward's.
    """
    states: Tensor = layer(features.transpose(1, 2))[0]
    return states
