"""The attachment that turns a backbone into local modules."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Optional

import torch
from mmengine.model import BaseModule, ModuleList
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import (
    tree_flatten,
    tree_leaves,
    tree_map_only,
    tree_unflatten,
)

from ..hosts import is_checkpointed, let_checkpoint
from ..tracing import Partition
from .init_submodule import init_attached
from .local_module import LocalModule

__all__ = [
    'ForwardEnded',
    'LocalSupervision',
    'find_supervised_backbones',
    'local_parameters',
]


class ForwardEnded(Exception):
    """Ends a forward pass at a boundary; caught around the model's.

    Args:
        result (Tensor): What was to be computed.
    """

    def __init__(self, result: Tensor) -> None:
        super().__init__(result)
        self.result = result


class LocalSupervision(BaseModule):
    """Aux nets and hooks, attached to a backbone as one of its children.

    The backbone keeps its class, its parameter names and its ``forward``. In
    training, with a step lent, the hook at each boundary

    1. computes the local losses of the features there,
    2. runs their backward at once, which frees the local module's graph,
    3. hands on ``h.detach()``.

    In evaluation, or without gradients, the hooks do nothing. Where the step
    names the ``only`` local module to be trained, those before it run in
    evaluation mode and without a loss, and the forward pass ends with its
    loss.

    Args:
        backbone (nn.Module): What is supervised.
        partition (Partition): Where it is cut.
        local_modules (Sequence[dict]): One config a boundary, as for
            :class:`LocalModule`.

    Attributes:
        step (LocalStep, optional): What the iteration under way has lent.
    """

    def __init__(
        self,
        backbone: nn.Module,
        partition: Partition,
        local_modules: Sequence[dict],
    ) -> None:
        super().__init__()
        self.partition = partition
        self.step = None
        self._stepped: set[int] = set()
        self.local_modules = ModuleList(
            MODELS.build(
                {
                    'type': 'LocalModule',
                    **cfg,
                    'name': f'local_{k}',
                    'boundary': boundary,
                    'earlier': partition.boundaries[:k],
                }
            )
            for k, (cfg, boundary) in enumerate(
                zip(local_modules, partition.boundaries)
            )
        )
        init_attached(self)
        self.register_load_state_dict_post_hook(_forgive_missing_aux_nets)
        self.register_load_state_dict_post_hook(_refuse_lost_context)
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

    def _is_active(self) -> bool:
        return (
            self.training and self.step is not None and torch.is_grad_enabled()
        )

    def _at_start(
        self, backbone: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        # A host's train() may put every norm below the backbone in eval mode
        # (norm_eval); what is attached follows the backbone itself.
        self.local_modules.train(backbone.training)
        context = getattr(backbone, 'context_supply', None)
        if context is not None:
            context.train(backbone.training)
        if not (
            backbone.training
            and torch.is_grad_enabled()
            and len(self.local_modules)
        ):
            return
        if self.step is None:
            raise RuntimeError(
                'LocalBackbone is in training mode but no iteration lent it '
                "a backward. Set optim_wrapper=dict(type='LocalOptimWrapper')"
                '; for evaluation call model.eval().'
            )
        self.step.is_checkpointed = is_checkpointed(backbone)
        self._stepped.clear()
        self.step.inputs = next(
            t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)
        )
        if self.step.only:
            taps = [backbone.get_submodule(n) for n in self.partition.taps]
            others = {self, *(m for tap in taps for m in tap.modules())}
            self.step.frozen.enter_context(
                _eval_mode(m for m in backbone.modules() if m not in others)
            )

    def _at_boundary(
        self, k: int, module: nn.Module, args: tuple, h: Tensor
    ) -> Optional[Tensor]:
        if self.training and _is_run_again():
            if k in self._stepped:
                raise RuntimeError(
                    '`step_each_module` should be False where a checkpoint '
                    'lies around a boundary, but got one around '
                    f'{self.partition.boundaries[k].name!r}, whose second '
                    'run has other parameters than the first. Checkpoint '
                    'inside of local modules.'
                )
            return h.detach()
        if not self._is_active():
            return None
        only = self.step.only
        if only is not None and k < only:
            if k == only - 1:
                self.step.frozen.close()
            return self._hand_on(k, h)
        local_module = self.local_modules[k]
        with _outside_of_checkpoint():
            losses = local_module.loss(
                h,
                self.step.inputs,
                self.step.data_samples,
                [self.step.feats[i] for i in local_module.levels],
            )
        loss = self.step.backward(local_module, losses)
        if self.step.steps_each_module:
            self._stepped.add(k)
        if k == only:
            raise ForwardEnded(loss)
        return self._hand_on(k, h)

    def _hand_on(self, k: int, h: Tensor) -> Tensor:
        h = h.detach()
        if any(k in later.levels for later in self.local_modules):
            boundary = self.partition.boundaries[k]
            self.step.feats[k] = boundary.to_feature_map(h, self.step.inputs)
        is_trained_next = self.step.only in (None, k + 1)
        if is_trained_next and self.step.is_checkpointed:
            return let_checkpoint(h)
        return h

    def _at_tap(
        self, module: nn.Module, args: tuple, kwargs: dict
    ) -> Optional[tuple]:
        if not self._is_active():
            return None
        if self.step.only not in (None, len(self.local_modules)):
            # a tap belongs to the last local module
            self.step.frozen.enter_context(_eval_mode(module.modules()))
        return tree_map_only(Tensor, torch.Tensor.detach, (args, kwargs))

    def _at_end(
        self, backbone: nn.Module, args: tuple, outputs: Any
    ) -> Optional[Any]:
        if not self._is_active():
            return None
        leaves, spec = tree_flatten(outputs)
        tensors = [
            i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)
        ]
        for i in self._detached_outputs:
            leaves[tensors[i]] = leaves[tensors[i]].detach()
        return tree_unflatten(leaves, spec)


def find_supervised_backbones(model: nn.Module) -> list[nn.Module]:
    """Find the locally supervised backbones of a model.

    Args:
        model (nn.Module): The model, wrapped for distribution or not; it may
            be such a backbone itself.

    Returns:
        list[nn.Module]: Each has a ``local_supervision``.
    """
    return [
        module
        for module in model.modules()
        if isinstance(
            getattr(module, 'local_supervision', None), LocalSupervision
        )
    ]


def local_parameters(
    model: nn.Module,
) -> dict[LocalModule, list[nn.Parameter]]:
    """Trainable parameters of the local modules but the last, with aux nets.

    Context encoders at a boundary belong to the local module behind it.

    Args:
        model (nn.Module): A model with a locally supervised backbone.

    Returns:
        dict[LocalModule, list[nn.Parameter]]: In the order of the modules.
    """
    result = {}
    for backbone in find_supervised_backbones(model):
        supervision = backbone.local_supervision
        context = getattr(backbone, 'context_supply', None)
        for k, local_module in enumerate(supervision.local_modules):
            parts = [local_module]
            if context is not None and k > 0:
                parts.append(context.encoders[k - 1])
            names = supervision.partition.parameters[k]
            own = [backbone.get_parameter(name) for name in names]
            own += [
                p
                for part in parts
                for p in part.parameters()
                if p.requires_grad
            ]
            result[local_module] = own
    return result


@contextmanager
def _eval_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    modes = {m: m.training for m in modules}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _is_run_again() -> bool:
    """Whether this is a checkpointed stretch's second run, in a backward."""
    return torch._C._current_graph_task_id() != -1 and torch.is_grad_enabled()


def _outside_of_checkpoint() -> saved_tensors_hooks:
    """Keep what is saved for the backward, also within a checkpoint.

    Where a boundary lies in a checkpointed stretch, the second run of the
    stretch does not come to its losses again.
    """
    return saved_tensors_hooks(_keep, _keep)


def _keep(tensor: Tensor) -> Tensor:
    return tensor


def _forgive_missing_aux_nets(
    supervision: LocalSupervision, incompatible_keys: Any
) -> None:
    """Take a checkpoint of the plain model as it is: it has no aux nets."""
    missing = incompatible_keys.missing_keys
    own = [key for key in missing if 'local_supervision.' in key]
    # torch itself fills in a norm's missing num_batches_tracked
    lost = [key for key in own if not key.endswith('num_batches_tracked')]
    if len(lost) == sum(
        not key.endswith('num_batches_tracked')
        for key in supervision.state_dict()
    ):
        for key in own:
            missing.remove(key)


def _refuse_lost_context(
    supervision: LocalSupervision, incompatible_keys: Any
) -> None:
    """Refuse a checkpoint of a backbone with context, where this has none."""
    lost = [
        key
        for key in incompatible_keys.unexpected_keys
        if 'context_supply.' in key
    ]
    if lost:
        raise ValueError(
            '`checkpoint` should be of a backbone without context_supply, but '
            f'got one with {lost[0]!r} and {len(lost) - 1} more such weights. '
            'Give the config it was trained with.'
        )
