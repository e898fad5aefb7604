"""Results of convs and matrix products, for a second run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Optional

from torch import Tensor

from ..metering import is_product
from ..upstream import (
    TorchDispatchMode,
    detach_alias,
    find_storage_key,
    find_version,
    is_in_place,
    tree_leaves,
    tree_map_only,
)

__all__ = ['KeptProducts', 'outside_first_runs']


class _Product(NamedTuple):
    """The result of one conv or matrix product, and its version then."""

    op: Any
    result: Any
    versions: list[Optional[int]]


class KeptProducts:
    """The results of convs and matrix products of one run of a module.

    A second run takes them instead of computing them, and computes all else:
    norms, activations, sums. One that is changed in place within the run is
    kept as it was. One that was changed later, or is wanted a third time, is
    computed.

    Attributes:
        writing (TorchDispatchMode): The mode of the first run.
    """

    def __init__(self) -> None:
        self._products: dict[int, _Product] = {}
        self.writing: TorchDispatchMode = _Writing(self._products)

    def reading(self) -> TorchDispatchMode:
        """Make the mode of a further run."""
        return _Reading(self._products)


@contextmanager
def outside_first_runs() -> Iterator[None]:
    """Keep no products of what a second run does not come to.

    A local loss within the module is such, and its backward.

    Yields:
        None: While the first runs under way are interrupted.
    """
    interrupted = [mode for mode in _Writing.active if not mode.is_paused]
    for mode in interrupted:
        mode.is_paused = True
    try:
        yield
    finally:
        for mode in interrupted:
            mode.is_paused = False


class _Writing(TorchDispatchMode):
    active: ClassVar[list['_Writing']] = []

    def __init__(self, products: dict[int, _Product]) -> None:
        super().__init__()
        self._products = products
        self.is_paused = False
        self._number = 0
        self._by_storage: dict[int, int] = {}

    def __enter__(self) -> '_Writing':
        self.active.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        self.active.remove(self)
        super().__exit__(*error)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.is_paused:
            return func(*args, **kwargs)
        if is_in_place(func):
            self._keep_unchanged(args[0])
        result = func(*args, **kwargs)
        if is_product(func):
            kept = tree_map_only(Tensor, detach_alias, result)
            self._write(_Product(func, kept, _find_versions(kept)))
        return result

    def _write(self, product: _Product) -> None:
        self._products[self._number] = product
        for tensor in _find_tensors(product.result):
            self._by_storage[find_storage_key(tensor)] = self._number
        self._number += 1

    def _keep_unchanged(self, tensor: Any) -> None:
        """Copy a product before an op works on it in place."""
        if not isinstance(tensor, Tensor):
            return
        number = self._by_storage.pop(find_storage_key(tensor), -1)
        # a local backward may have read it, so that its storage is gone
        product = self._products.get(number)
        if product is not None:
            copied = tree_map_only(Tensor, Tensor.clone, product.result)
            self._products[number] = _Product(
                product.op, copied, _find_versions(copied)
            )


class _Reading(TorchDispatchMode):
    def __init__(self, products: dict[int, _Product]) -> None:
        super().__init__()
        self._products = products
        self._number = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        if is_product(func):
            product = self._products.pop(self._number, None)
            self._number += 1
            if (
                product is not None
                and product.op is func
                and product.versions == _find_versions(product.result)
            ):
                return product.result
        return func(*args, **(kwargs or {}))


def _find_tensors(result: Any) -> list[Tensor]:
    return [t for t in tree_leaves(result) if isinstance(t, Tensor)]


def _find_versions(result: Any) -> list[Optional[int]]:
    return [find_version(tensor) for tensor in _find_tensors(result)]
