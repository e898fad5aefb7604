"""Checks of the data that a host trains on."""

from collections.abc import Sequence
from typing import Any, Optional

from mmengine.config import Config
from torch import nn

from .dataset_files import check_files

__all__ = ['DataChecks']


class DataChecks:
    """Checks of a host's data sets and labels.

    Attributes:
        scope (str): The registry in which types of data sets are looked up.
    """

    scope: Optional[str]

    def check_dataset(self, dataset: dict, loader: str) -> None:
        """Check that the files of a data set are there and as they should be.

        Args:
            dataset (dict): Its config.
            loader (str): The data loader it belongs to, for messages.

        Raises:
            FileNotFoundError: If a folder or a file is missing.
            ValueError: If a file is not what it should be.
        """
        check_files(dataset, loader, self.scope)

    def check_labels(
        self, model: nn.Module, data_samples: Sequence[Any]
    ) -> None:
        """Check the labels of the first batch against the model.

        Nothing is checked by default. What the model may take after all
        should be a warning.

        Args:
            model (nn.Module): The bare model.
            data_samples (Sequence[Any]): Labels of the batch, as the data
                loader gives them.

        Raises:
            SetupError: If the model cannot learn from them.
        """

    def check_made_up(self, cfg: Config) -> None:
        """Check that a batch of made-up images and labels trains a model.

        Nothing is checked by default.

        Args:
            cfg (Config): The config of a training.

        Raises:
            ValueError: If it learns from something else.
        """
