"""What one training iteration lends to a locally supervised model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

from torch import Tensor, nn

from .local_module import LocalModule
from .local_supervision import ForwardEnded, find_supervised_backbones

__all__ = ['LocalStep', 'lend_step', 'replaced_method']


@dataclass
class LocalStep:
    """The batch and the way back, for the time of one forward pass.

    Args:
        backward (Callable): ``backward(local_module, losses)`` turns the
            losses of a :class:`LocalModule` (a dict, as the hosts' heads
            return it) into gradients; with ``only`` it returns their sum.
        data_samples (Any, optional): The labels, as the host's heads take
            them. Defaults to None: those the model is called with.
        inputs (Tensor, optional): The images that entered the backbone,
            ``(B, 3, H, W)``; the backbone fills them in.
        only (int, optional): Index of the local module that alone is
            trained, from 0 to K - 1, with the parameters of the others
            frozen by the caller. Those before it run in evaluation mode and
            without a loss; at its end the forward pass ends, and the model
            returns its loss. Defaults to None: all are trained.
        steps_each_module (bool): Whether ``backward`` also steps the local
            module. Defaults to False.

    Attributes:
        feats (dict[int, Tensor]): Feature maps of earlier boundaries,
            detached, that a later local module's pyramid wants.
        is_checkpointed (bool): Whether layers of the backbone checkpoint;
            it fills that in.
        frozen (ExitStack): Gives the modules before ``only`` their modes
            back when it is closed.
    """

    backward: Callable[[LocalModule, dict], Optional[Tensor]]
    data_samples: Any = None
    inputs: Optional[Tensor] = None
    only: Optional[int] = None
    steps_each_module: bool = False
    feats: dict[int, Tensor] = field(default_factory=dict)
    is_checkpointed: bool = False
    frozen: ExitStack = field(default_factory=ExitStack)

    def _take_data_samples(
        self, model: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        if 'data_samples' in kwargs:
            self.data_samples = kwargs['data_samples']
        elif len(args) > 1:
            self.data_samples = args[1]


@contextmanager
def lend_step(model: nn.Module, step: LocalStep) -> Iterator[LocalStep]:
    """Lend a step to every locally supervised backbone of a model.

    Taken back at the end, also after an exception: outside nothing of the
    batch is held.

    Args:
        model (nn.Module): The bare model; its ``data_samples`` argument
            becomes the step's.
        step (LocalStep): What is lent.

    Yields:
        LocalStep: The step.

    Example:
        >>> import torch
        >>> from localsup_mm.models import supervise_locally
        >>> net = supervise_locally(
        ...     nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(),
        ...                   nn.Conv2d(4, 2, 1)),
        ...     [dict(boundary='1',
        ...           decoder=dict(mean=[0.] * 3, std=[255.] * 3))])
        >>> step = LocalStep(
        ...     lambda _, losses: sum(losses.values()).backward())
        >>> with lend_step(net, step):
        ...     output = net(torch.rand(2, 3, 8, 8))
        >>> output.sum().backward()
        >>> all(p.grad is not None for p in net.parameters())
        True
    """
    supervisions = [
        backbone.local_supervision
        for backbone in find_supervised_backbones(model)
    ]
    handle = model.register_forward_pre_hook(
        step._take_data_samples, with_kwargs=True
    )
    ending = nullcontext()
    if step.only is not None:
        ending = replaced_method(
            model, 'forward', partial(_forward_to_loss, model.forward)
        )
    try:
        for supervision in supervisions:
            supervision.step = step
        with step.frozen, ending:
            yield step
    finally:
        handle.remove()
        for supervision in supervisions:
            supervision.step = None
        step.inputs = step.data_samples = None
        step.feats.clear()


@contextmanager
def replaced_method(
    module: nn.Module, name: str, method: Callable
) -> Iterator[None]:
    """Let a module compute something else for a while.

    Args:
        module (nn.Module): Whose method is replaced; its hooks stay.
        name (str): Of the method, e.g. ``'forward'``.
        method (Callable): What it computes instead.

    Yields:
        None: While it does.
    """
    # an instance may have one of its own already, e.g. a checkpointed one
    own = vars(module).get(name)
    setattr(module, name, method)
    try:
        yield
    finally:
        if own is None:
            delattr(module, name)
        else:
            setattr(module, name, own)


def _forward_to_loss(forward: Callable, *args, **kwargs) -> Any:
    try:
        return forward(*args, **kwargs)
    except ForwardEnded as end:
        # a leaf, which the host sums, scales and goes back from as from any
        # loss; the gradients of the local module are there already
        return dict(loss=end.result.detach().requires_grad_())
