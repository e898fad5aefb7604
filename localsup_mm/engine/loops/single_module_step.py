"""A training iteration in which one local module alone learns."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from torch import Tensor, nn

from ...supervision import LocalStep, LocalSupervision
from ..ended_forward import ForwardEnded, ending_forward

__all__ = ['SingleModuleStep']


class SingleModuleStep(LocalStep):
    """Train one local module alone.

    The caller freezes the parameters of all others. The local modules before
    it run in evaluation mode and without a loss. The forward pass ends at its
    boundary, and the model returns its loss; the last local module learns
    from the heads, as ever.

    Args:
        *args: Arguments of :class:`LocalStep`.
        only (int): Index of the local module, from 0 to K - 1.
        **kwargs: Its keyword arguments.
    """

    def __init__(self, *args: Any, only: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.only = only
        # gives the modules before it their modes back when it is closed
        self._frozen = ExitStack()

    def trains(self, k: int) -> bool:
        """Tell whether it is the one; see :class:`LocalStep`."""
        return k == self.only

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        """Let the model return the loss with which its forward pass ends."""
        with self._frozen, ending_forward(model):
            yield

    def begin(self, backbone: nn.Module, inputs: Tensor) -> None:
        """Put what lies before the local module into evaluation mode."""
        super().begin(backbone, inputs)
        if self.only:
            supervision = backbone.local_supervision
            taps = map(backbone.get_submodule, supervision.partition.taps)
            others = {supervision, *(m for tap in taps for m in tap.modules())}
            self._freeze(m for m in backbone.modules() if m not in others)

    def at_boundary(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> Tensor:
        """Give the modes back where the local module begins."""
        if k == self.only - 1:
            self._frozen.close()
        return super().at_boundary(supervision, k, h)

    def learn(
        self, supervision: LocalSupervision, k: int, h: Tensor
    ) -> NoReturn:
        """Train the local module and end the forward pass."""
        raise ForwardEnded(super().learn(supervision, k, h))

    def at_tap(
        self, supervision: LocalSupervision, tap: nn.Module, args: Any
    ) -> Any:
        """Freeze a tap unless its owner, the last local module, learns."""
        if not self.trains(len(supervision.local_modules)):
            self._freeze(tap.modules())
        return super().at_tap(supervision, tap, args)

    def _freeze(self, modules: Iterable[nn.Module]) -> None:
        self._frozen.enter_context(_eval_mode(modules))


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
