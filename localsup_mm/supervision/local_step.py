"""One training iteration, as the boundaries of a model see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Optional

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..hosts import (
    allow_activation_checkpointing,
    uses_activation_checkpointing,
)
from ..recomputation import outside_first_runs
from ..upstream import not_compiled, tree_map_only
from .learns import learns
from .local_module import LocalModule

if TYPE_CHECKING:
    from .local_supervision import LocalSupervision

__all__ = ['LocalStep']


class LocalStep:
    """The iteration under way, which acts at the boundaries of a model.

    A step is lent to a model for one forward pass by :func:`lend_step`. At
    each boundary it

    1. computes the local losses of the features there,
    2. runs their backward at once, which frees the local module's graph,
    3. lets aux nets follow the backbone, where they do,
    4. hands on ``h.detach()``.

    A subclass may train otherwise; see ``SingleModuleStep`` in
    ``engine/loops``.

    Args:
        backward (Callable): ``backward(local_module, losses)`` turns the
            losses of a :class:`LocalModule` (a dict, as the hosts' heads
            return it) into gradients, and returns their sum or None.
        data_samples (Any, optional): The labels, as the host's heads take
            them. Defaults to None: those that the model is called with.
        steps_each_module (bool): Whether ``backward`` also steps the
            optimizer. Defaults to False.
        is_last (bool): Whether the optimizer is stepped behind this forward
            pass, and no more gradients are accumulated. Defaults to True.

    Attributes:
        inputs (Tensor, optional): The images that entered the backbone,
            ``(B, 3, H, W)``.
        feats (dict[int, Tensor]): By boundary, the detached feature maps
            that a later local module reads.
        begun (dict[LocalSupervision, nn.Module]): The backbones that have
            run so far, each by its supervision.
    """

    def __init__(
        self,
        backward: Callable[[LocalModule, dict], Optional[Tensor]],
        data_samples: Any = None,
        steps_each_module: bool = False,
        is_last: bool = True,
    ) -> None:
        self.backward = backward
        self.data_samples = data_samples
        self.steps_each_module = steps_each_module
        self.is_last = is_last
        self.inputs: Optional[Tensor] = None
        self.feats: dict[int, Tensor] = {}
        self.begun: dict[LocalSupervision, nn.Module] = {}
        self._images: Any = None
        self._uses_checkpointing = False

    def attached(self, model: nn.Module) -> AbstractContextManager:
        """Return a context in which the model runs its forward pass.

        Args:
            model (nn.Module): The bare model.

        Returns:
            AbstractContextManager: It gives back what the step changes.
        """
        return nullcontext()

    def trains(self, k: int) -> bool:
        """Tell whether local module k learns in this step.

        Args:
            k (int): Index of the local module, from 0 to K - 1.

        Returns:
            bool: Here all of them do.
        """
        return True

    def begin(self, backbone: nn.Module, inputs: Tensor) -> None:
        """Take the images that enter a backbone.

        Args:
            backbone (nn.Module): A locally supervised backbone.
            inputs (Tensor): ``(B, 3, H, W)``.
        """
        self.inputs = inputs
        self.begun[backbone.local_supervision] = backbone
        self._uses_checkpointing = uses_activation_checkpointing(backbone)

    @not_compiled(recursive=False)
    def at_boundary(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> Tensor:
        """Let local module k learn, and hand its features on.

        Args:
            supervision (LocalSupervision): That of the backbone that runs.
            k (int): Index of the boundary, from 0 to K - 2.
            h (Tensor): The features there.

        Returns:
            Tensor: The same, detached.
        """
        # not where all of it is frozen
        if self.trains(k) and (
            h.requires_grad or learns(supervision.local_modules[k])
        ):
            self.learn(supervision, k, h)
        return self._hand_on(supervision, k, h)

    @not_compiled(recursive=False)
    def learn(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> Optional[Tensor]:
        """Compute the local losses at a boundary and run their backward.

        Args:
            supervision (LocalSupervision): That of the backbone that runs.
            k (int): Index of the boundary, from 0 to K - 2.
            h (Tensor): The features there, with their graph.

        Returns:
            Tensor, optional: The result of ``backward``.
        """
        local_module = supervision.local_modules[k]
        with outside_first_runs():
            with _outside_activation_checkpoints():
                losses = local_module.loss(
                    h,
                    self.inputs,
                    self._find_labels(),
                    self.feats,
                )
            loss = self.backward(local_module, losses)
        if self.is_last:
            self.follow(supervision, local_module)
        if self.steps_each_module:
            supervision.stepped.add(k)
        return loss

    def follow(
        self, supervision: LocalSupervision, local_module: LocalModule
    ) -> None:
        """Let aux nets follow the backbone.

        Args:
            supervision (LocalSupervision): That of the backbone that runs.
            local_module (LocalModule): The owner of the aux nets.
        """
        local_module.follow(self.begun[supervision])

    def at_tap(
        self, supervision: LocalSupervision, tap: nn.Module, args: Any
    ) -> Any:
        """Detach what enters a tap.

        Args:
            supervision (LocalSupervision): That of the backbone that runs.
            tap (nn.Module): A module between a freed stretch and an output.
            args (Any): The arguments it is called with.

        Returns:
            Any: The same with detached tensors.
        """
        return tree_map_only(Tensor, Tensor.detach, args)

    def end(self) -> None:
        """Let go of everything that belongs to the batch."""
        self.inputs = self.data_samples = self._images = None
        self.feats.clear()
        self.begun.clear()

    def take_data_samples(
        self, model: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        """Take the labels that a model is called with; a forward pre-hook."""
        self._images = kwargs.get('inputs', args[0] if args else None)
        if 'data_samples' in kwargs:
            self.data_samples = kwargs['data_samples']
        elif len(args) > 1:
            self.data_samples = args[1]

    def _find_labels(self) -> Any:
        """Find the labels of the images that are in the backbone.

        A semi-supervised model is called with several batches by name, and
        so are their labels; a student runs once for each.
        """
        if isinstance(self._images, Mapping):
            for name, images in self._images.items():
                if images is self.inputs:
                    return self.data_samples[name]
        return self.data_samples

    @not_compiled
    def _hand_on(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> Tensor:
        h = h.detach()
        read: set = set()
        for later in list(supervision.local_modules)[k + 1 :]:
            read |= later.reads
        self.feats = {i: f for i, f in self.feats.items() if i in read}
        if k in read:
            boundary = supervision.partition.boundaries[k]
            self.feats[k] = boundary.to_feature_map(h, self.inputs)
        if self._uses_checkpointing and self.trains(k + 1):
            return allow_activation_checkpointing(h)
        return h


def _outside_activation_checkpoints() -> saved_tensors_hooks:
    """Keep what is saved for a backward, also within a checkpointed stretch.

    Where a boundary lies in such a stretch, its second run does not come to
    the local losses again. What an op has returned is kept without its graph:
    it would hold itself, and be freed by a backward alone, which does not
    come to what no loss needs, such as scores for a metric.
    """
    return saved_tensors_hooks(Tensor.detach, lambda tensor: tensor)
