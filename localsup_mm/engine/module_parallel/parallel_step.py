"""A training iteration of a process that has one local module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ...supervision import LocalModule, LocalStep, LocalSupervision, learns
from ...upstream import tree_flatten, tree_unflatten
from ..ended_forward import ForwardEnded, ending_forward
from .backbone_share import BackboneShare
from .handover import Handover

__all__ = ['ModuleParallelStep']


class ModuleParallelStep(LocalStep):
    """Train one local module, between two other processes.

    1. The backbone gets the features that were handed over, in the place of
       what lies before them;
    2. what the next process needs is handed on as soon as it is there;
    3. the local losses have their backward, as ever;
    4. the forward pass ends. That of the last local module goes on to neck
       and heads.

    Args:
        *args: Arguments of :class:`LocalStep`.
        k (int): Index of the local module, from 0 to K - 1.
        find_share (Callable): Function that takes a backbone and its images,
            and returns the :class:`BackboneShare`.
        received (Handover, optional): That of the process before.
            Defaults to None: there is none before.
        hand_over (Callable): Function that takes a :class:`Handover` for the
            next process.
        before_follow (Callable): Function that takes backbone and local
            module before its aux nets follow the backbone.
        **kwargs: Keyword arguments of :class:`LocalStep`.
    """

    def __init__(
        self,
        *args: Any,
        k: int,
        find_share: Callable[[nn.Module, Tensor], BackboneShare],
        received: Optional[Handover],
        hand_over: Callable[[Handover], None],
        before_follow: Callable[[nn.Module, LocalModule], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.k = k
        self._find_share = find_share
        self._received = received
        self._hand_over = hand_over
        self._before_follow = before_follow
        self._handover: Optional[Handover] = None
        self._share: Any = None
        self._taps: dict[str, list[Tensor]] = {}
        self._outputs: dict[int, Tensor] = {}
        if received is not None:
            self._taps, self._outputs = received.taps, received.outputs
        self._loss: Optional[Tensor] = None
        # gives the backbone back what it was when it is closed
        self._stack = ExitStack()

    def trains(self, k: int) -> bool:
        """Tell whether it is the one; see :class:`LocalStep`."""
        return k == self.k

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        """Let the model return the loss with which its forward pass ends."""
        with self._stack, ending_forward(model):
            yield

    def begin(self, backbone: nn.Module, inputs: Tensor) -> None:
        """Put the local module in between what others compute."""
        if self.begun:
            raise RuntimeError(
                '`model` should run its backbone once in an iteration for '
                'ModuleParallelRunner, but got a second run. Leave '
                'runner_type out.'
            )
        super().begin(backbone, inputs)
        self._share = share = self._find_share(backbone, inputs)
        h = None if self._received is None else self._received.h
        context = getattr(backbone, 'context_supply', None)
        if context is not None:
            context.only = self.k - 1
            self._stack.callback(setattr, context, 'only', None)
        self._stack.enter_context(share.placed(backbone, inputs, h))
        handle = backbone.register_forward_hook(self._at_end)
        self._stack.callback(handle.remove)

    def at_boundary(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> Tensor:
        """Begin or end the local module; pass over the other boundaries."""
        if k == self.k - 1 and self._received is not None:
            self.feats = self._received.feats
            backbone = self.begun[supervision]
            for i, source in self._received.sources.items():
                backbone.context_supply.keep_input(i, source)
            return self._hand_on(supervision, k, h)
        if k == self.k:
            return self._end_module(supervision, h)
        return h

    def follow(
        self, supervision: LocalSupervision, local_module: LocalModule
    ) -> None:
        """Let aux nets follow what the next process has."""
        backbone = self.begun[supervision]
        self._before_follow(backbone, local_module)
        super().follow(supervision, local_module)

    def at_tap(
        self, supervision: LocalSupervision, tap: nn.Module, args: Any
    ) -> Any:
        """Give a tap its input, or keep it for the last process."""
        backbone = self.begun[supervision]
        name = next(
            name
            for name in supervision.partition.taps
            if backbone.get_submodule(name) is tap
        )
        leaves, spec = tree_flatten(super().at_tap(supervision, tap, args))
        if name in self._share.taps:
            # a copy, since what follows the tap may work in place
            self._taps[name] = [
                leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)
            ]
        found = iter(self._taps.get(name, ()))
        leaves = [
            next(found, leaf) if isinstance(leaf, Tensor) else leaf
            for leaf in leaves
        ]
        return tree_unflatten(leaves, spec)

    def end(self) -> None:
        """Let go of everything that belongs to the batch."""
        super().end()
        self._received = self._handover = self._share = self._loss = None
        self._taps, self._outputs = {}, {}

    def _end_module(self, supervision: LocalSupervision, h: Tensor) -> Tensor:
        backbone = self.begun[supervision]
        earlier = dict(self.feats)
        handed = self._hand_on(supervision, self.k, h)
        self._handover = Handover(
            handed,
            feats={i: f for i, f in self.feats.items() if i != self.k},
            sources=self._find_sources(backbone),
            outputs=self._outputs,
            taps=self._taps,
        )
        is_complete = not (self._share.outputs or self._share.taps)
        if is_complete:
            self._hand_over(self._handover)
        # as the losses read them
        self.feats = earlier
        if h.requires_grad or learns(supervision.local_modules[self.k]):
            self._loss = self.learn(supervision, self.k, h)
        if is_complete:
            raise ForwardEnded(self._loss)
        # what is still missing does not depend on it
        return torch.zeros_like(h)

    def _find_sources(self, backbone: nn.Module) -> dict[int, Tensor]:
        context = getattr(backbone, 'context_supply', None)
        if context is None:
            return {}
        return {i: context.find_input(i) for i in context.sources if i > 0}

    def _at_end(
        self, backbone: nn.Module, args: tuple, outputs: Any
    ) -> Optional[Any]:
        """Put in what earlier processes computed, or hand on what is there."""
        leaves, spec = tree_flatten(outputs)
        places = [
            i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)
        ]
        if self._handover is None:
            for i, output in self._outputs.items():
                leaves[places[i]] = output
            return tree_unflatten(leaves, spec)
        for i in self._share.outputs:
            self._outputs[i] = leaves[places[i]].detach()
        self._hand_over(self._handover)
        raise ForwardEnded(self._loss)
