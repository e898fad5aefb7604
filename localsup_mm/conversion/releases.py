"""Names of weights that authors released, and ours for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..supervision.state_dict_keys import AUX_NETS

__all__ = ['RELEASES', 'Release']

_LOCAL = f'backbone.{AUX_NETS}.local_modules.0.'
# place in the authors' sequence -> name of our layer
_DECODER = {
    **{4 * i: f'decoder.hidden.{i}.0' for i in range(3)},
    **{4 * i + 1: f'decoder.hidden.{i}.1' for i in range(3)},
    12: 'decoder.last',
}
_CLASSIFIER = {
    **{3 * i: f'aux_neck.convs.{i}.0' for i in range(4)},
    **{3 * i + 1: f'aux_neck.convs.{i}.1' for i in range(4)},
    14: 'aux_head.fc',
}
_SEGMENTER = {
    0: 'aux_head.convs.0.conv',
    1: 'aux_head.convs.0.bn',
    4: 'aux_head.conv_seg',
}


@dataclass(frozen=True)
class Release:
    """Weights files of one code, which name their layers alike.

    Args:
        configs (tuple[str]): Our configs of these networks, as
            ``localsup_mm::...``.
        sign (str): A weight that no file of another release has.
        layers (Mapping[str, str]): Name of a layer there -> name here.
        prefix (str): Begin of the name of any other layer here. Defaults to
            ''.
        biases (Mapping[str, str]): A conv whose bias has no place here ->
            the batch norm behind it. Defaults to none.
    """

    configs: tuple[str, ...]
    sign: str
    layers: Mapping[str, str]
    prefix: str = ''
    biases: Mapping[str, str] = field(default_factory=dict)

    def rename(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give weights our names.

        A bias before a batch norm moves what the norm subtracts: it is taken
        off the running mean, which is exact.

        Args:
            weights (Mapping[str, Tensor]): By their names; not changed.

        Returns:
            dict[str, Tensor]: The same by ours.
        """
        weights = dict(weights)
        for conv, norm in self.biases.items():
            mean, bias = f'{norm}.running_mean', f'{conv}.bias'
            if mean in weights and bias in weights:
                weights[mean] = weights[mean] - weights.pop(bias)
        renamed = {}
        for key, tensor in weights.items():
            layer, _, name = key.rpartition('.')
            own = self.layers.get(layer, f'{self.prefix}{layer}')
            renamed[f'{own}.{name}'] = tensor
        return renamed


def _in_sequence(prefix: str, layers: Mapping[int, str]) -> dict[str, str]:
    return {f'{prefix}.{i}': _LOCAL + own for i, own in layers.items()}


RELEASES = {
    'infopro': (
        Release(
            configs=(
                'localsup_mm::infopro/resnet101_imagenet.py',
                'localsup_mm::infopro/resnet152_imagenet.py',
                'localsup_mm::infopro/resnext101-32x8d_imagenet.py',
            ),
            sign='fc.weight',
            layers={
                'fc': 'head.fc',
                **_in_sequence('decoder.decoder', _DECODER),
                **_in_sequence('head', _CLASSIFIER),
            },
            prefix='backbone.',
        ),
        # its three settings train one network
        Release(
            configs=('localsup_mm::infopro/deeplabv3_r101_cityscapes.py',),
            sign='decode_head.conv_seg.weight',
            layers={
                **_in_sequence('decoder_inter', _DECODER),
                **_in_sequence('head_inter', _SEGMENTER),
            },
            biases={'head_inter.0': 'head_inter.1'},
        ),
    )
}
