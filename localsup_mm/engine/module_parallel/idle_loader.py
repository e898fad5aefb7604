"""A data loader that reads nothing."""

from typing import Any

from torch.utils.data import DataLoader, Dataset

__all__ = ['make_idle']


def make_idle(loader: DataLoader) -> DataLoader:
    """Make a data loader that counts the batches of another one.

    Args:
        loader (DataLoader): Any.

    Returns:
        DataLoader: It draws the same indices and gives None for each batch.
    """
    own: dict[str, Any]
    if loader.batch_size is None:
        own = dict(batch_sampler=loader.batch_sampler)
    else:
        own = dict(
            sampler=loader.sampler,
            batch_size=loader.batch_size,
            drop_last=loader.drop_last,
        )
    return DataLoader(_NoData(loader.dataset), collate_fn=_give_nothing, **own)


class _NoData(Dataset):
    """A data set with all but the data."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Any:
        if name == '_dataset':
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> None:
        return None


def _give_nothing(samples: list) -> None:
    return None
