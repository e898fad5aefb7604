"""A method of a module that runs again in the backward."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import SetupError
from ..upstream import find_version, tree_flatten, tree_unflatten
from .kept_buffers import KeptBuffers
from .kept_products import KeptProducts
from .method_replacement import MethodReplacement

__all__ = ['RecomputedMethod']

# of a run that does not find what an earlier one has taken away
_SIDE_EFFECTS = (LookupError, AttributeError, TypeError, ValueError)


class RecomputedMethod(MethodReplacement):
    """Takes the place of a method of a module, and runs it twice.

    The first run keeps its inputs alone; the second, in the backward, makes
    what that needs. It is torch's ``checkpoint(use_reentrant=False)``, which
    keeps random states and autocast, and here

    - buffers change once, see :class:`KeptBuffers`;
    - a cheap one keeps what convs and matrix products returned, too, see
      :class:`KeptProducts`.

    Args:
        module (nn.Module): The module.
        method (Callable): Its method, ``forward`` in most cases.
        name (str): Its name in the model, for messages.
        is_cheap (bool): Whether no conv or matrix product is computed again.
    """

    def __init__(
        self, module: nn.Module, method: Callable, name: str, is_cheap: bool
    ) -> None:
        super().__init__(module, method, name)
        self.is_cheap = is_cheap

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the method; the backward will run it again."""
        # checkpoint watches over the tensors that it is called with
        leaves, spec = tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        versions = [find_version(tensor) for tensor in tensors]
        buffers = KeptBuffers(self.module)
        products = KeptProducts() if self.is_cheap else None
        is_first = True

        def run(*leaves: Any) -> Any:
            nonlocal is_first
            args, kwargs = tree_unflatten(leaves, spec)
            with ExitStack() as stack:
                if not is_first:
                    stack.enter_context(buffers.lent())
                if products is not None:
                    stack.enter_context(
                        products.writing if is_first else products.reading()
                    )
                is_again, is_first = not is_first, False
                try:
                    return self.__wrapped__(*args, **kwargs)
                except _SIDE_EFFECTS as error:
                    if not is_again:
                        raise
                    raise SetupError(
                        '`recompute` should name what can run twice on the '
                        f'same input, but got {self.name!r}, whose second run '
                        f'raised {type(error).__name__}: {error}. Name its '
                        'parts.'
                    ) from error

        result = checkpoint(run, *leaves, use_reentrant=False)
        if versions != [find_version(tensor) for tensor in tensors]:
            raise SetupError(
                '`recompute` should name modules that leave their input as it '
                f'is, but got {self.name!r}, which changes it in place. Name '
                'the module around it, or those inside of it.'
            )
        return result
