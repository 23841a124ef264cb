"""The network: tensors in, tensors out.

In: windows [N, T, F] float32.  Out: [N] float32, the scaled next log return.  Never: data, optimisers, files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PriceLSTM"]


class PriceLSTM(nn.Module):
    """LSTM over the window, a linear head on its last state.

    Shapes: [N, T, features] -> [N].  The head starts at zero, so that an untrained network says what the last value says: no change.
    """

    def __init__(self, features: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True, dropout=between)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        states, _ = self.lstm(windows)
        prediction: Tensor = self.head(self.drop(states[:, -1])).squeeze(-1)
        return prediction

    @staticmethod
    def describe_inputs(batch: int, lookback: int, features: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Name, shape and type of what ``forward`` takes."""
        return {"windows": ((batch, lookback, features), torch.float32)}
