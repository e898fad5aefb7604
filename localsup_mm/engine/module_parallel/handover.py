"""All that crosses a boundary from one process to the next."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ['Handover']


@dataclass
class Handover:
    """All that the processes behind a boundary need of a batch.

    Args:
        h (Tensor): The features at the boundary, ``(B, C, h, w)`` or as a
            backbone of tokens or clips has them, detached.
        data (Any): The batch as the data preprocessor of process 0 returned
            it: images and labels.
        feats (dict[int, Tensor]): By boundary, earlier features that a later
            local module reads, e.g. for a pyramid, of the shapes there.
        sources (dict[int, Tensor]): By local module, inputs that context
            encoders behind the boundary read.
        outputs (dict[int, Tensor]): Outputs of the backbone that neck and
            heads get detached, by index.
        taps (dict[str, list[Tensor]]): The inputs of each tap, by its name.
    """

    h: Tensor
    data: Any = None
    feats: dict[int, Tensor] = field(default_factory=dict)
    sources: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)
    taps: dict[str, list[Tensor]] = field(default_factory=dict)
