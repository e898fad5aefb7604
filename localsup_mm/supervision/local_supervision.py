"""The attachment that turns a backbone into local modules."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Optional

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ..tracing import Partition
from ..upstream import (
    is_in_backward,
    not_compiled,
    tree_flatten,
    tree_leaves,
    tree_unflatten,
)
from .block_copier import BlockCopier
from .init_submodule import init_submodule
from .learns import learns
from .load_state_dict import forgive_missing_aux_nets, refuse_lost_context
from .local_module import LocalModule
from .local_step import LocalStep
from .state_dict_keys import CONTEXT

__all__ = [
    'LocalSupervision',
    'find_image',
]


class LocalSupervision(BaseModule):
    """Aux nets and hooks, attached to a backbone as one of its children.

    The backbone keeps its class, its parameter names and its ``forward``. In
    training the hook at each boundary asks the step that an iteration has
    lent, see :class:`LocalStep`. In evaluation, without gradients, or where
    the whole backbone is frozen, the hooks do nothing.

    Args:
        backbone (nn.Module): The backbone that is supervised.
        partition (Partition): Its boundaries and what follows from them.
        local_modules (Sequence[dict]): One config of a
            :class:`LocalModule` for each boundary.

    Attributes:
        step (LocalStep, optional): The step that the iteration under way
            has lent.
        stepped (set[int]): Local modules whose parameters the iteration has
            changed already.
    """

    def __init__(
        self,
        backbone: nn.Module,
        partition: Partition,
        local_modules: Sequence[dict],
    ) -> None:
        super().__init__()
        self.partition = partition
        self.step: Optional[LocalStep] = None
        self.stepped: set[int] = set()
        last = max(len(partition.boundaries) - 1, 1)
        self.local_modules = ModuleList(
            LocalModule(
                **{
                    **cfg,
                    'boundary': boundary,
                    'earlier': partition.boundaries[:k],
                    'copier': BlockCopier(
                        backbone,
                        partition.blocks,
                        partition.num_blocks[k],
                        k / last,
                    ),
                }
            )
            for k, (cfg, boundary) in enumerate(
                zip(local_modules, partition.boundaries)
            )
        )
        init_submodule(self)
        self.register_load_state_dict_post_hook(forgive_missing_aux_nets)
        self.register_load_state_dict_post_hook(refuse_lost_context)
        # Hooks are bound methods or partials of them, never closures:
        # copy.deepcopy (EMA) then binds them to the copy.
        backbone.register_forward_pre_hook(self._at_start, with_kwargs=True)
        for k, boundary in enumerate(partition.boundaries):
            backbone.get_submodule(boundary.name).register_forward_hook(
                partial(self._at_boundary, k)
            )
        for tap in partition.taps:
            backbone.get_submodule(tap).register_forward_pre_hook(
                self._at_tap, with_kwargs=True
            )
        self._detached_outputs = [
            i
            for i in partition.closed_outputs
            if i not in partition.tapped_outputs
        ]
        if self._detached_outputs:
            backbone.register_forward_hook(self._at_end)

    def forward(self, x: Any) -> Any:
        """Hand on: ``nn.Sequential`` calls every child, this one too."""
        return x

    def _find_step(self) -> Optional[LocalStep]:
        """Return the step that acts now; None in evaluation."""
        is_learning = self.training and torch.is_grad_enabled()
        return self.step if is_learning else None

    def _at_start(
        self, backbone: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        if backbone.training or self.local_modules.training:
            self._begin(backbone, args, kwargs)

    @not_compiled
    def _begin(self, backbone: nn.Module, args: tuple, kwargs: dict) -> None:
        # A host's train() may put every norm below the backbone in eval mode
        # (norm_eval); what is attached follows the backbone itself.
        self.local_modules.train(backbone.training)
        context = getattr(backbone, CONTEXT, None)
        if context is not None:
            context.train(backbone.training)
        if not (
            backbone.training
            and torch.is_grad_enabled()
            and len(self.local_modules)
        ):
            return
        if self.step is None and not learns(backbone):
            return
        if self.step is None:
            raise RuntimeError(
                'LocalBackbone is in training mode but no iteration lent it '
                "a backward. Set optim_wrapper=dict(type='LocalOptimWrapper')"
                '; in a loop of your own run the forward pass within '
                'lend_step(net, LocalStep(...)); for evaluation call '
                'model.eval().'
            )
        self.stepped.clear()
        self.step.begin(backbone, find_image(args, kwargs))

    def _at_boundary(
        self, k: int, module: nn.Module, args: tuple, h: Tensor
    ) -> Optional[Tensor]:
        is_learning = self.training and torch.is_grad_enabled()
        return self._learn(k, h) if is_learning else None

    # what it calls is compiled
    @not_compiled(recursive=False)
    def _learn(self, k: int, h: Tensor) -> Optional[Tensor]:
        if is_in_backward():
            return self._run_again(k, h)
        step = self._find_step()
        return None if step is None else step.at_boundary(self, k, h)

    def _run_again(self, k: int, h: Tensor) -> Tensor:
        """Hand on in the second run of a checkpointed stretch."""
        if k in self.stepped:
            raise RuntimeError(
                '`step_each_module` should be False where a checkpoint lies '
                'around a boundary, but got one around '
                f'{self.partition.boundaries[k].name!r}, whose second run has '
                'other parameters than the first. Checkpoint inside of local '
                'modules.'
            )
        return h.detach()

    def _at_tap(
        self, tap: nn.Module, args: tuple, kwargs: dict
    ) -> Optional[tuple]:
        step = self._find_step()
        if step is None:
            return None
        return self._detach_at_tap(step, tap, (args, kwargs))

    # in one compiled graph with what is freed, a tap would be freed with it
    @not_compiled
    def _detach_at_tap(
        self, step: LocalStep, tap: nn.Module, args: tuple
    ) -> tuple:
        return step.at_tap(self, tap, args)

    def _at_end(
        self, backbone: nn.Module, args: tuple, outputs: Any
    ) -> Optional[Any]:
        if self._find_step() is None:
            return None
        leaves, spec = tree_flatten(outputs)
        tensors = [
            i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)
        ]
        for i in self._detached_outputs:
            leaves[tensors[i]] = leaves[tensors[i]].detach()
        return tree_unflatten(leaves, spec)


def find_image(args: tuple, kwargs: dict) -> Tensor:
    """Find the images among what a backbone is called with.

    Args:
        args (tuple): Positional arguments.
        kwargs (dict): Keyword arguments.

    Returns:
        Tensor: The first tensor, ``(B, 3, H, W)``.
    """
    return next(
        t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)
    )
