"""The interface between this package and a library of networks."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Optional

from mmengine.config import Config
from torch import nn

from .aux_nets import MakesAuxNets
from .data_checks import DataChecks
from .find_classes import find_classes
from .image_size import find_image_size

__all__ = ['Host']


class Host(MakesAuxNets, DataChecks):
    """A library of networks, data sets and configs for one kind of task.

    All that is special to a host is said by one subclass of this, in one
    file, which :func:`register_host` makes known. It has to say

    - ``scope``,
    - the labels of an image: :meth:`make_data_sample`,
    - aux nets for its task: :meth:`make_aux_net`,

    and whatever else is different from the defaults here.

    Attributes:
        scope (str): Name of its Python package, and ``default_scope`` of its
            configs.
        distribution (str, optional): Its name for pip, for the message where
            it is not installed. Defaults to None: it is always there.
        head_names (Collection[str]): Names of the submodules of its models
            whose ``num_classes`` is that of the data set. Defaults to
            ``('head',)``.
        result_heads (Collection[str]): Places in a model's config of the head
            whose ``num_classes`` is that of the task. The first that is
            there counts. Defaults to ``('head',)``.
        label_maps (Collection[str]): Fields of its data samples with
            ``data`` of a class for each pixel, ``(1, H, W)``. Defaults to
            ().
        reads_values (bool): Whether its losses read values of features, as
            where boxes are assigned by what is predicted. They cannot be
            simulated on fake tensors then. Defaults to False: it is tried.
        context_supply (Mapping): Arguments of :class:`ContextSupply` for its
            networks. Defaults to ``'r1e'`` with encoders that pool before
            their wide conv, since images are large.
    """

    scope: str
    distribution: Optional[str] = None
    head_names: Collection[str] = ('head',)
    result_heads: Collection[str] = ('head',)
    label_maps: Collection[str] = ()
    reads_values: bool = False
    context_supply: Mapping[str, Any] = MappingProxyType(
        dict(mode='r1e', pool_first=True)
    )

    @abstractmethod
    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make labels of one image; they are the same each time.

        Args:
            cfg (Config): The config of a training.
            size (tuple[int, int]): H and W of the image, in pixels.

        Returns:
            Any: The image's labels, as heads of this host take them.
        """

    def make_data_samples(self, cfg: Config, shape: Sequence[int]) -> Any:
        """Make labels of a batch.

        Args:
            cfg (Config): The config of a training.
            shape (Sequence[int]): ``(B, C, H, W)`` of the images.

        Returns:
            Any: The batch's labels, as models of this host take them.
        """
        size = (shape[2], shape[3])
        return [self.make_data_sample(cfg, size) for _ in range(shape[0])]

    def find_num_classes(self, cfg: Config) -> int:
        """Find the number of classes, without a detector's background.

        Args:
            cfg (Config): The config of a training.

        Returns:
            int: The number.

        Raises:
            ValueError: If no head says it.
        """
        return find_classes(cfg, self.result_heads)

    def find_image_size(self, cfg: Config) -> tuple[int, int]:
        """Find height and width of the images, see :func:`find_image_size`.

        Args:
            cfg (Config): The config of a training.

        Returns:
            tuple[int, int]: Height and width, in pixels.

        Raises:
            ValueError: If the config does not say it.
        """
        return find_image_size(cfg)

    def compute_head_loss(
        self, head: nn.Module, feats: tuple, data_samples: Any
    ) -> dict:
        """Compute the losses of an aux head.

        Args:
            head (nn.Module): One of its heads.
            feats (tuple[Tensor]): Features, as the head takes them.
            data_samples (Any): Labels of the batch.

        Returns:
            dict: The losses, and other values that the head logs.
        """
        return head.loss(feats, data_samples)

    def reads_classes(self, head: nn.Module) -> bool:
        """Tell whether a head fails for labels beyond its ``num_classes``.

        Args:
            head (nn.Module): One of its heads.

        Returns:
            bool: Whether it needs as many classes as the data set has. It
            does not where its classes are others, as a boundary or not.
        """
        return True

    def report_accuracy(self, aux_head: dict) -> None:
        """Let an aux head report its accuracy beside its losses.

        Its key begins with ``'acc'``.

        Args:
            aux_head (dict): That of :meth:`make_aux_net`, changed in place.
        """

    def save_predictions(self, cfg: Config, out: str) -> None:
        """Let a test save its predictions.

        Args:
            cfg (Config): The config of a test, changed in place.
            out (str): The file to write.

        Raises:
            ValueError: If ``out`` is no ``.pkl`` file.
        """
        if not out.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'`out` should be a .pkl file, but got {out!r}. '
                'Only segmentation writes a folder of images.'
            )
        dump = dict(type='DumpResults', out_file_path=out)
        evaluator = cfg.test_evaluator
        evaluators = evaluator if isinstance(evaluator, list) else [evaluator]
        cfg.test_evaluator = [*evaluators, dump]
