"""Memory of an end-to-end iteration between any two boundaries."""

from dataclasses import dataclass, field
from typing import Optional

import torch

from .storages import Storages

__all__ = ['StepProfile', 'Stretch']


@dataclass
class Stretch:
    """The layers from one candidate boundary to the next.

    The first stretch begins where the backbone does. The last one has no
    boundary at its end, and includes neck and heads. Figures are bytes of an
    end-to-end iteration, without what lives in the whole of it.

    Args:
        name (str): Boundary at the end of the stretch. Defaults to ''.
        forward_peak (int): Peak in its forward pass. Defaults to 0.
        backward_peak (int): Peak in its backward. Defaults to 0.
        holding_peak (int): Peak in its backward if ``output`` and ``input``
            live until its end, as in a local module that ends here. Defaults
            to 0.
        live_after (int): Bytes that live at its end, in the forward pass.
            Defaults to 0.
        gradients (int): Gradients of all parameters up to its end; those
            of neck and heads count for the last stretch. Defaults to 0.
        output (Storages): The features at its end.
        input (Storages): Inputs of the module at its end, whose caller holds
            them until the module returns.
        kept (Storages): Tensors that live on behind a cut at its end: closed
            and frozen outputs of the backbone, what taps have saved of them,
            and inputs of the modules around the boundary, which their callers
            hold. At the end of the backbone, of its outputs those that neck
            and heads save.
        features (tuple, optional): Shape and dtype of the features at its
            end. Defaults to None: the last stretch has none.
    """

    name: str = ''
    forward_peak: int = 0
    backward_peak: int = 0
    holding_peak: int = 0
    live_after: int = 0
    gradients: int = 0
    output: Storages = field(default_factory=dict)
    input: Storages = field(default_factory=dict)
    kept: Storages = field(default_factory=dict)
    features: Optional[tuple[tuple[int, ...], torch.dtype]] = None


@dataclass
class StepProfile:
    """An end-to-end iteration, stretch by stretch.

    Args:
        stretches (list[Stretch]): The stretches in the order in which they
            run, one more than there are candidate boundaries.
        static (int): Bytes of parameters, buffers and optimizer state.
        peak (int): Bytes of the whole iteration, ``static`` included.
        macs (int): Multiply-accumulates of the forward pass.
        state_ratio (float): Bytes of optimizer state for a byte of trainable
            parameters.
        live_at_start (int): Bytes that live when the backbone starts,
            without ``static``.
        update (int): Bytes that the optimizer's step takes for itself.
    """

    stretches: list[Stretch]
    static: int
    peak: int
    macs: int
    state_ratio: float
    live_at_start: int
    update: int

    @property
    def names(self) -> tuple[str, ...]:
        """The candidate boundaries."""
        return tuple(stretch.name for stretch in self.stretches[:-1])

    @property
    def gradients(self) -> int:
        """Bytes of the gradients of all parameters."""
        return self.stretches[-1].gradients
