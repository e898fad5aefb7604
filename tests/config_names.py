"""The configs by name.

``{method}/[{model}_]{backbone}[_k{K}][_{variant}]_{dataset}.py``; a classifier
has no model beside its backbone.
"""

import re
from pathlib import Path
from typing import Optional

CONFIGS = Path(__file__).parents[1] / 'configs'
METHODS = sorted(
    p.name
    for p in CONFIGS.iterdir()
    if p.is_dir() and not p.name.startswith('_')
)
# e.g. 'infopro/resnet32_k16_softmax_cifar10.py'
FILES = [
    path.relative_to(CONFIGS).as_posix()
    for method in METHODS
    for path in sorted((CONFIGS / method).glob('*.py'))
]
WORD = '[a-z0-9-]+'
NAME = re.compile(
    r'((?P<model>deeplabv3|retinanet|(faster|mask)-rcnn|upernet|segformer|'
    r'slowonly|tsn)_)?'
    rf'(?P<backbone>{WORD})(_k(?P<k>[1-9]\d*))?'
    rf'(_(?P<variant>(?!k\d+_){WORD}))?_(?P<dataset>(?!k\d+$){WORD})'
)


def parse(path: str) -> Optional[re.Match]:
    """The parts of a config's name; None if it is no such name."""
    return NAME.fullmatch(Path(path).stem)


def most_local_modules() -> list[str]:
    """Of the configs that differ in K alone, the one with the largest K."""
    best = {}
    for path in FILES:
        parts = parse(path).groupdict()
        k = int(parts.pop('k') or 0)
        family = (Path(path).parent.name, *parts.values())
        best[family] = max(best.get(family, (0, '')), (k, path))
    return [path for _, path in best.values()]


# data sets for which networks of one kind are built
ALIKE = dict(
    svhn='cifar10',
    stl10='cifar10',
    camvid='cityscapes',
    **{
        'mini-cityscapes': 'cityscapes',
        'camvid-small': 'cityscapes',
        'coco-mini': 'coco',
        'mini-videos': 'kinetics400',
    },
)
# a schedule, a batch or a crop of its own
SETTING = re.compile(r'(\d+k|bs\d+|\d+x\d+|checkpointing)')


def most_different() -> set[str]:
    """Of those above that differ in depth or data alone, the shallowest."""
    best = {}
    for path in most_local_modules():
        parts = parse(path).groupdict()
        depth = int((re.findall(r'\d+', parts['backbone']) or [0])[0])
        kind = re.sub(r'\d+|-(small|base)', '', parts['backbone'])
        dataset = ALIKE.get(parts['dataset'], parts['dataset'])
        variant = SETTING.sub('', parts['variant'] or '')
        family = (Path(path).parent.name, parts['model'], kind, variant)
        key = (*family, dataset)
        best[key] = min(best.get(key, (depth, path)), (depth, path))
    return {path for _, path in best.values()}
