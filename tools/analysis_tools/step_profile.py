"""Where the time of a locally supervised training step goes."""

import time
from collections import Counter
from functools import wraps
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from localsup_mm.supervision import LocalSupervision

BACKBONE = 'backbone'
DECODERS = 'decoders'
AUX_HEADS = 'aux necks and heads'
HOST_HEADS = "host's neck and heads"
PREPROCESSOR = 'data preprocessor'
OPTIMIZER = 'optimizer'
REST = 'rest'
PARTS = (
    BACKBONE,
    DECODERS,
    AUX_HEADS,
    HOST_HEADS,
    PREPROCESSOR,
    OPTIMIZER,
    REST,
)


def profile_step(
    model: nn.Module, optim_wrapper: OptimWrapper, batch: dict, num_steps: int
) -> str:
    """Train for some steps and tell the time of each part.

    On a CPU, where a backward runs in the thread that calls it. The model
    keeps the hooks: use it for nothing else afterwards.

    Args:
        model (nn.Module): A locally supervised model.
        optim_wrapper (OptimWrapper): Its optimizer.
        batch (dict): As a data loader yields it.
        num_steps (int): Over how many steps to take the mean.

    Returns:
        str: A table, in milliseconds a step. The rest is what neither the
        network nor the optimizer needs: hooks, sums and logs of losses, the
        host's loop.
    """
    stopwatch = Stopwatch()
    _watch_model(stopwatch, model)
    _watch_optimizer(stopwatch, optim_wrapper)
    model.train_step(batch, optim_wrapper)  # its first one checks the model
    stopwatch.start()
    for _ in range(num_steps):
        model.train_step(batch, optim_wrapper)
    stopwatch.switch(REST)
    seconds = stopwatch.seconds
    total = sum(seconds.values())
    lines = [f'{"ms a step":<24}forward  backward   share']
    for part in PARTS:
        forward, backward = seconds[part], seconds[part, 'backward']
        lines.append(
            f'{part:<24}{1e3 * forward / num_steps:7.1f}'
            f'{1e3 * backward / num_steps:10.1f}'
            f'{(forward + backward) / total:8.1%}'
        )
    lines.append(f'{"total":<24}{1e3 * total / num_steps:7.1f}')
    return '\n'.join(lines)


class Stopwatch:
    """Charges each stretch of time to the part that is at work in it.

    Parts are nested: what has left hands back to what was at work before. A
    backward is one call in which the parts take over from one another; for
    that there is :meth:`switch`.
    """

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.seconds = Counter()
        self._at_work = [REST]
        self._since = time.perf_counter()

    def enter(self, part: Any) -> None:
        self._charge()
        self._at_work.append(part)

    def leave(self) -> None:
        self._charge()
        self._at_work.pop()

    def switch(self, part: Any) -> None:
        self._charge()
        self._at_work[-1] = part

    def _charge(self) -> None:
        now = time.perf_counter()
        self.seconds[self._at_work[-1]] += now - self._since
        self._since = now

    def watch_calls(self, owner: Any, name: str, part: str) -> None:
        """Charge a method, and the backward of losses it returns."""
        method = getattr(owner, name)

        @wraps(method)
        def watched(*args, **kwargs) -> Any:
            self.enter(part)
            result = method(*args, **kwargs)
            self.leave()
            self.watch_losses(result, part)
            return result

        setattr(owner, name, watched)

    def watch_module(self, module: nn.Module, part: str) -> None:
        """Charge a module's forward."""
        module.register_forward_pre_hook(
            lambda *_: self.enter(part), prepend=True
        )
        module.register_forward_hook(lambda *_: self.leave())

    def watch_losses(self, losses: Any, part: str) -> None:
        """Charge a part from where the backward reaches its losses."""
        for loss in tree_leaves(losses):
            if isinstance(loss, Tensor) and loss.grad_fn is not None:
                loss.grad_fn.register_prehook(
                    lambda _: self.switch((part, 'backward'))
                )

    def watch_gradients(self, outputs: Any, part: str) -> None:
        """Charge a part from where the gradient of its output is known."""
        for output in tree_leaves(outputs):
            if isinstance(output, Tensor) and output.requires_grad:
                output.register_hook(lambda _: self.switch((part, 'backward')))


def _watch_model(stopwatch: Stopwatch, model: nn.Module) -> None:
    stopwatch.watch_module(model.data_preprocessor, PREPROCESSOR)
    stopwatch.watch_module(model, HOST_HEADS)
    model.register_forward_hook(
        lambda _, __, losses: stopwatch.watch_losses(losses, HOST_HEADS)
    )
    stopwatch.watch_module(model.backbone, BACKBONE)
    model.backbone.register_forward_hook(
        lambda _, __, outputs: stopwatch.watch_gradients(outputs, BACKBONE)
    )
    supervision = next(
        m for m in model.modules() if isinstance(m, LocalSupervision)
    )
    for local_module in supervision.local_modules:
        boundary = model.backbone.get_submodule(local_module.boundary.name)

        def at_boundary(_: nn.Module, __: tuple, h: Tensor) -> None:
            stopwatch.watch_gradients(h, BACKBONE)
            stopwatch.enter(REST)

        # around the hook of the local module
        boundary.register_forward_hook(at_boundary, prepend=True)
        boundary.register_forward_hook(lambda *_: stopwatch.leave())
        if local_module.aux_neck is not None:
            stopwatch.watch_module(local_module.aux_neck, AUX_HEADS)
        if local_module.aux_head is not None:
            stopwatch.watch_calls(local_module.aux_head, 'loss', AUX_HEADS)
        if local_module.decoder is not None:
            stopwatch.watch_calls(local_module.decoder, 'loss', DECODERS)


def _watch_optimizer(
    stopwatch: Stopwatch, optim_wrapper: OptimWrapper
) -> None:
    stopwatch.watch_calls(optim_wrapper, 'backward', REST)
    stopwatch.watch_calls(optim_wrapper, 'step', OPTIMIZER)
    stopwatch.watch_calls(optim_wrapper, 'zero_grad', OPTIMIZER)
