"""Ops that only a compiled mmcv has."""

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = [
    'get_compiler_version',
    'get_compiling_cuda_version',
    'make_missing_op',
]


def get_compiler_version() -> str:
    """Tell mmcv's report of the environment that nothing was compiled.

    Returns:
        str: What stands in for the name of the compiler.
    """
    return 'none (mmcv_torch_ops)'


def get_compiling_cuda_version() -> str:
    """Tell mmcv's report of the environment that nothing was compiled.

    Returns:
        str: What stands in for the version of CUDA.
    """
    return 'none (mmcv_torch_ops)'


def make_missing_op(name: str) -> Callable[..., NoReturn]:
    """Make what stands for an op that is not here, until it is called.

    `mmcv.ops` asks for all ops when it is imported.

    Args:
        name (str): The name of the op.

    Returns:
        Callable: A function that raises ``NotImplementedError``.

    Raises:
        AttributeError: For a name with an underscore in front, which Python
            asks for.

    Example:
        >>> make_missing_op('knn_forward')()
        Traceback (most recent call last):
        NotImplementedError: mmcv's op 'knn_forward' needs a compiled mmcv...
    """
    if name.startswith('_'):
        raise AttributeError(f'no attribute {name!r}')

    def missing_op(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"mmcv's op {name!r} needs a compiled mmcv, but this is one "
            f'without, with the ops of mmcv_torch_ops. In a clone of '
            f'localsup_mm run `make env MMCV=compiled`; elsewhere uninstall '
            f'mmcv-lite and mmcv_torch_ops and build mmcv with its ops.'
        )

    missing_op.__name__ = missing_op.__qualname__ = name
    return missing_op
