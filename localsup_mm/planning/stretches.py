"""Memory of an end-to-end iteration between any two boundaries."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Optional

import torch

from ..recomputation import join_recompute
from .module_calls import ModuleCall
from .storages import Storages

__all__ = [
    'StepProfile',
    'Stretch',
    'closed_gradients',
    'held_longer',
    'left_behind',
]


@dataclass
class Stretch:
    """The layers from one candidate boundary to the next.

    The first stretch begins where the backbone does. Those behind the last
    candidate have no boundary at their end; neck and heads are there. Figures
    are bytes of an end-to-end iteration, without what lives in the whole of
    it.

    Args:
        name (str): Boundary at the end of the stretch. Defaults to ''.
        live_before (int): Bytes that live at its start, in the forward pass.
            Defaults to 0.
        forward_peak (int): Peak in its forward pass. Defaults to 0.
        backward_peak (int): Peak in its backward. Defaults to 0.
        holding_peak (int): Peak in its backward if ``output`` and ``input``
            live until its end, as in a local module that ends here. Defaults
            to 0.
        live_after (int): Bytes that live at its end, in the forward pass.
            Defaults to 0.
        backward_macs (int): Multiply-accumulates of its backward, with what
            is recomputed there. Defaults to 0.
        backward_moved (int): Bytes that other ops of its backward move, see
            :class:`MacCounter`. Defaults to 0.
        gradients (int): Gradients of all parameters up to its end; those
            of neck and heads count for the last stretch. Defaults to 0.
        closed (frozenset[int]): Outputs of the backbone that a cut at its end
            closes, by their positions. Defaults to none.
        sent (dict[int, int]): Gradients that neck and heads have sent to
            outputs of the backbone when the backward comes to its end, in
            bytes by the position of the output. Defaults to none.
        output (Storages): The features at its end.
        input (Storages): Inputs of the module at its end, whose caller holds
            them until the module returns.
        kept (Storages): Tensors that live on behind a cut at its end: closed
            and frozen outputs of the backbone, what taps have saved of them,
            and inputs of the modules around the boundary, which their callers
            hold. At the end of the backbone, of its outputs those that neck
            and heads save.
        saved (Storages): The part of these that neck and heads up to its end
            have saved, which lives on in its backward.
        features (tuple, optional): Shape and dtype of the features at its
            end. Defaults to None: those behind the last candidate have none.
        recompute (dict): The names in it that are recomputed, as
            :func:`recompute_modules` takes them. Defaults to none.
        held (Storages): Their arguments, which live until their backward: a
            head may get all outputs of the backbone and read one.
        ways (list[Stretch]): The same stretch with some of it recomputed;
            besides names only its bytes, its work and what is held differ.
            Defaults to none.
    """

    name: str = ''
    live_before: int = 0
    forward_peak: int = 0
    backward_peak: int = 0
    holding_peak: int = 0
    live_after: int = 0
    backward_macs: int = 0
    backward_moved: int = 0
    gradients: int = 0
    closed: frozenset[int] = frozenset()
    sent: dict[int, int] = field(default_factory=dict)
    output: Storages = field(default_factory=dict)
    input: Storages = field(default_factory=dict)
    kept: Storages = field(default_factory=dict)
    saved: Storages = field(default_factory=dict)
    features: Optional[tuple[tuple[int, ...], torch.dtype]] = None
    recompute: dict[str, list[str]] = field(default_factory=dict)
    held: Storages = field(default_factory=dict)
    ways: list[Stretch] = field(default_factory=list)

    def arguments(self, number: int) -> Storages:
        """Find what is held where it is computed again.

        Args:
            number (int): 0 where it is not, else the number of a way, from 1.

        Returns:
            Storages: The tensors that the recomputed submodules get.
        """
        return self.ways[number - 1].held if number else {}


@dataclass
class StepProfile:
    """An end-to-end iteration, stretch by stretch.

    Args:
        stretches (list[Stretch]): The stretches in the order in which they
            run; those but the last few end with a candidate boundary.
        calls (list[ModuleCall]): The calls of its submodules.
        static (int): Bytes of parameters, buffers and optimizer state.
        peak (int): Bytes of the whole iteration, ``static`` included.
        macs (int): Multiply-accumulates of the forward pass.
        step_macs (int): Multiply-accumulates of the whole iteration.
        moved (int): Bytes that all other ops move, see :class:`MacCounter`.
        state_ratio (float): Bytes of optimizer state for a byte of trainable
            parameters.
        live_at_start (int): Bytes that live when the backbone starts,
            without ``static``.
        update (int): Bytes that the optimizer's step takes for itself.
    """

    stretches: list[Stretch]
    calls: list[ModuleCall]
    static: int
    peak: int
    macs: int
    step_macs: int
    moved: int
    state_ratio: float
    live_at_start: int
    update: int

    @property
    def names(self) -> tuple[str, ...]:
        """The candidate boundaries."""
        return tuple(s.name for s in self.stretches if s.name)

    def find_recompute(self, ways: Sequence[int]) -> dict[str, list[str]]:
        """Find what is computed again.

        Args:
            ways (Sequence[int]): One number for each stretch: 0 for nothing,
                and else that of one of its ``ways``, from 1.

        Returns:
            dict[str, list[str]]: The names, as :func:`recompute_modules`
            takes them.
        """
        chosen = [
            stretch.ways[number - 1].recompute
            for stretch, number in zip(self.stretches, ways)
            if number
        ]
        return join_recompute(*chosen)

    def find_arguments(self, names: Container[str]) -> Storages:
        """Find the tensors that submodules get.

        Args:
            names (Container[str]): Their names.

        Returns:
            Storages: The tensors.
        """
        found: Storages = {}
        for call in self.calls:
            if call.name in names:
                found.update(call.arguments)
        return found

    @property
    def gradients(self) -> int:
        """Bytes of the gradients of all parameters."""
        return self.stretches[-1].gradients


def left_behind(before: Stretch, held: Container[int]) -> int:
    """Sum what earlier local modules left, as far as it is still held.

    Their features live on in any case, since the next local module reads
    them.

    Args:
        before (Stretch): The last one of the earlier local modules.
        held (Container[int]): Storages that something holds.

    Returns:
        int: Bytes.
    """
    left = {key: size for key, size in before.kept.items() if key in held}
    return sum({**left, **before.output}.values())


def closed_gradients(cut: Stretch, stretch: Stretch) -> int:
    """Sum what end-to-end training holds for outputs that a cut closes.

    Neck and heads send gradients to them, which live in the backward of all
    that follows.

    Args:
        cut (Stretch): The one at whose end the cut is.
        stretch (Stretch): The one that is gone back through.

    Returns:
        int: Bytes.
    """
    return sum(stretch.sent[i] for i in stretch.sent.keys() & cut.closed)


def held_longer(previous: Stretch, stretch: Stretch, last: Stretch) -> int:
    """Sum what end-to-end training would have freed in a stretch's backward.

    There live on the features at the end of the local module, which the hook
    holds, what went into the module there, and outputs of the backbone.

    Args:
        previous (Stretch): The one before it.
        stretch (Stretch): The one that is gone back through.
        last (Stretch): The one at the end of the local module.

    Returns:
        int: Bytes.
    """
    kept: Storages = dict(last.kept)
    counted = {*previous.kept, *previous.output}
    ends = {**last.output, **last.input}
    if stretch is last:
        counted.update(ends)
    else:
        kept.update(ends)
    return sum(size for key, size in kept.items() if key not in counted)
