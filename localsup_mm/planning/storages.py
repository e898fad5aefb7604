"""Telling storages of tensors apart."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..upstream import find_storage_key, tree_leaves

__all__ = ['Storages', 'count_bytes', 'find_storages', 'find_tensors']

# Bytes of storages, each by a number of its own while it lives.
Storages = dict[int, int]


def find_tensors(tree: Any) -> list[Tensor]:
    """List the tensors in nested lists, tuples and dicts.

    A sparse one has no storage of its own.
    """
    return [
        leaf
        for leaf in tree_leaves(tree)
        if isinstance(leaf, Tensor) and leaf.layout is torch.strided
    ]


def find_storages(tree: Any) -> Storages:
    """List the storages of the tensors in nested lists, tuples and dicts."""
    return {
        find_storage_key(tensor): tensor.untyped_storage().nbytes()
        for tensor in find_tensors(tree)
    }


def count_bytes(tensors: Iterable[Tensor]) -> int:
    """Sum the bytes of tensors, whether they share storages or not."""
    return sum(t.numel() * t.element_size() for t in tensors)
