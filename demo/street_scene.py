"""Draw one procedural street: a picture and the polygons it is made of.

A street is a list of flat shapes in metres, x right, y up, z ahead, seen by
a camera 1.6 m above the lane. Each shape is both painted and returned, the
farthest first, so that picture and label agree to the pixel.
"""

from typing import Any, List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter

CAMERA = 1.6
RIGHT = 4.4  # kerb on the camera's side
FACADES = 'tan sienna lightgray darkgray rosybrown burlywood slategray'
PAINTS = 'black darkred whitesmoke midnightblue dimgray silver darkgreen'
CLOTHES = 'darkslateblue brown steelblue tan black olivedrab goldenrod'
BLACK = '#18181a'
KINDS = 7 * ['building'] + ['trees', 'wall', 'fence']

# Length, width, top of the body, paints; glass: ends by share of the length,
# bottom, top, how far the top is drawn in.
VEHICLES = {
    'car': (4.3, 1.8, 0.95, PAINTS, 0.08, 0.75, 0.95, 1.45, 0.5),
    'truck': (8.5, 2.4, 3.5, FACADES, 0.8, 1, 1.6, 2.4, 0),
    'bus': (11, 2.5, 3.05, 'orange crimson seagreen', 0, 1, 1.35, 2.6, 0),
    'train': (27, 2.5, 3.5, 'firebrick wheat indigo', 0, 1, 1.6, 2.7, 0),
}


class Street:
    """Collect shapes and see them through a camera."""

    def __init__(self, rng: np.random.Generator, size: Tuple[int, int]):
        self.rng = rng
        self.height, self.width = size
        self.focal = 0.95 * min(self.width, 2 * self.height)
        self.horizon = self.height * rng.uniform(0.4, 0.46)
        self.center = self.width * rng.uniform(0.44, 0.56)
        self.sun = rng.choice((-1, 1))
        self.haze = rng.uniform(195, 225) + rng.normal(0, 6, 3)
        self.clear_range = rng.uniform(120, 400)
        self.depth = 0.0  # of the object being added
        self.shapes = []  # of depth, label, polygon and colour

    def pick(self, palette: str) -> np.ndarray:
        """Return a colour near one of the named."""
        rgb = ImageColor.getrgb(self.rng.choice(palette.split()))
        return np.array(rgb) + self.rng.normal(0, 8, 3)

    def add(self, label: str, points: Any, rgb: np.ndarray) -> None:
        """Add a flat shape of ``(N, 3)`` points if it is in view."""
        x, y, z = np.transpose(points)
        # Cut at 0.3 m; exact, since all that comes so near runs along z.
        scale = self.focal / np.maximum(z, 0.3)
        u = np.rint(self.center + scale * x).astype(int)
        v = np.rint(self.horizon + scale * (CAMERA - y)).astype(int)
        if u.max() < 0 or u.min() >= self.width or v.min() >= self.height:
            return
        clear = np.exp(-max(z[0], 0) / self.clear_range)
        rgb = np.clip(rgb * clear + self.haze * (1 - clear), 0, 255)
        polygon = list(zip(u.tolist(), v.tolist(), strict=True))
        self.shapes.append((self.depth, label, polygon, (*map(int, rgb),)))

    def box(
        self, label: str, x: Any, y: Any, z: Any, rgb: Any, taper: float = 0
    ) -> None:
        """Add the faces in view; x, y and z are (near, far) or a number."""
        (x0, x1), (y0, y1), (z0, z1) = (np.resize(a, 2) for a in (x, y, z))
        t0, t1 = z0 + taper, z1 - taper
        if x0 != x1 and z0 != z1 and y1 < CAMERA:
            top = [(x0, y1, t0), (x1, y1, t0), (x1, y1, t1), (x0, y1, t1)]
            self.add(label, top, rgb)
        if y0 != y1 and z0 != z1:
            s = min(x0, x1, key=abs)
            side = [(s, y0, z0), (s, y0, z1), (s, y1, t1), (s, y1, t0)]
            self.add(label, side, rgb * (1 - 0.18 * np.sign(s * self.sun)))
        if x0 != x1 and y0 != y1:
            front = [(x0, y0, z0), (x1, y0, z0), (x1, y1, t0), (x0, y1, t0)]
            self.add(label, front, rgb * 0.9)

    def disc(
        self, label: str, center: Any, radius: Any, rgb: Any, corners: int = 14
    ) -> None:
        """Add an ellipse; the radius is that in x, y and z."""
        angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        turn = np.stack([np.cos(angle), np.sin(angle), np.cos(angle)], 1)
        self.add(label, center + turn * radius, rgb)


def add_ground(street: Street, left: float, walk: float) -> None:
    far, haze = (0.3, 400), street.haze
    street.depth = 1e6
    blue = street.pick('#6090c8 #96a8be #789ccc')
    for share in np.linspace(0, 1, 24):  # at 1 m, so that haze spares it
        sky = (CAMERA - 0.1 + 0.3 * share, 9)
        street.box('sky', (-9, 9), sky, 1, haze + (blue - haze) * share)
    street.box('terrain', (-300, 300), 0, far, street.pick('#68743c #7e784c'))
    slabs = street.pick('#9e9690 #8c8a8c #a89c8e')
    street.box('sidewalk', (left - walk, RIGHT + walk), 0, far, slabs)
    street.box('road', (left, RIGHT), 0, far, street.pick('#5a5a5c #6c6864'))
    for z in np.arange(street.rng.uniform(0, 6), 90, 6):
        street.box('road', (-1.8, -1.65), 0, (z, z + 3), np.full(3, 215))


def add_tree(street: Street, x: float, z: float) -> None:
    height = street.rng.uniform(4, 7)
    trunk, leaf = street.pick('#483a2e'), street.pick('#3e5c28 #606e34')
    street.depth = z
    street.box('vegetation', (x - 0.2, x + 0.2), (0, height), z, trunk)
    for dx, dy, size in street.rng.uniform(-1, 1, (9, 3)) * height / 4:
        radius = (height + size) * np.array((0.18, 0.18, 0))
        tone = leaf * (1 + dy / height)
        street.disc('vegetation', (x + dx, height + dy, z), radius, tone)


def add_building(street: Street, label: str, x: float, ends: Any) -> None:
    height = street.rng.uniform(6, 17)
    rgb, glass = street.pick(FACADES), street.pick('#262e38')
    street.depth = ends[1]
    street.box(label, (x, 2.5 * x), (0, height), ends, rgb)
    for y in np.arange(1.2, height - 2, 3):
        # Beyond 70 m a window is less than two pixels wide.
        for z in np.arange(ends[0] + 0.6, min(ends[1] - 1.4, 70), 2.8):
            street.box(label, x, (y, y + 1.6), (z, z + 1.4), glass)


def add_barrier(street: Street, kind: str, x: float, ends: Any) -> None:
    """Add trees, behind a wall or a fence if the kind is one."""
    for shift in street.rng.uniform(1.1, 1.6, 3):
        add_tree(street, x * shift, ends[1])
    rgb = street.pick('#96928a #926c5a #7e684e')
    if kind == 'wall':
        street.box(kind, (x, x * 1.03), (0, 2.6), ends, rgb)
    elif kind == 'fence':
        street.box(kind, x, (0, 1.7), ends, rgb * 0.8)
        for z in np.arange(*ends, 0.6):
            street.box(kind, x, (0, 1.7), (z, z + 0.15), rgb * 0.4)


def add_vehicle(street: Street, label: str, x: float, z: float) -> float:
    """Add a vehicle, oncoming in the left half; return its length."""
    length, width, top, paints, start, end, low, high, taper = VEHICLES[label]
    oncoming = x < -1.7
    if oncoming:
        start, end = 1 - end, 1 - start
    sides, dark = (x - width / 2, x + width / 2), street.pick(BLACK)
    body, cabin = (z, z + length), (z + start * length, z + end * length)
    street.depth = z
    street.box('road', sides, 0, (z - 0.3, z + length), dark + 24)
    street.box(label, sides, (0.35, top), body, street.pick(paints))
    if oncoming or label != 'truck':  # its load hides the cab
        street.box(label, sides, (low, high), cabin, dark + 16, taper)
    for share in (0.2, 0.8):
        center = (min(sides, key=abs), 0.4, z + share * length)
        street.disc(label, center, (0, 0.4, 0.4), dark)
    lamp = street.pick('#f5f0d7' if oncoming else '#be1814')
    for side in sides:
        ends = (side, side + 0.3 * np.sign(x - side))
        street.box(label, ends, (0, 0.4), z, dark)
        street.box(label, ends, (0.65, 0.85), z, lamp)
    return length


def add_person(street: Street, label: str, x: float, z: float) -> None:
    stride, tall = street.rng.uniform((0.05, 0.5), (0.3, 0.7))
    hip, trousers = 0.85 + 0.25 * (label == 'rider'), street.pick(CLOTHES)
    street.depth = z
    for foot in (x - stride, x + stride):
        leg = [(x - 0.13, hip, z), (x + 0.13, hip, z)]
        leg += [(foot + 0.08, hip - 0.85, z), (foot - 0.08, hip - 0.85, z)]
        street.add(label, leg, trousers * 0.7)
    chest, shirt = (x, hip + tall / 2 - 0.05, z), street.pick(CLOTHES)
    street.disc(label, chest, (0.27, tall / 2 + 0.08, 0), shirt)
    head, skin = (x, hip + tall + 0.12, z), street.pick('burlywood sienna tan')
    street.disc(label, head, (0.13, 0.16, 0), skin)


def add_two_wheeler(street: Street, label: str, x: float, z: float) -> None:
    turn = street.rng.choice((-1, 1)) * street.rng.uniform(0.5, 1)
    hub, tyre, paint = 0.2, street.pick(BLACK), street.pick(PAINTS)
    frame = [(-0.6, 0.35), (-0.3, 0.85), (0.4, 1), (0.6, 0.4)]
    if label == 'bicycle':  # thin tubes and rims
        hub, frame = 0.3, [*frame, (0.5, 0.4), (0.3, 0.8), (0, 0.35)]
    street.depth = z
    for center in ((x - 0.6 * turn, 0.36, z), (x + 0.6 * turn, 0.36, z)):
        for size, tone in ((0.36, tyre), (hub, tyre + 90)):
            street.disc(label, center, (size * turn, size, 0), tone)
    street.add(label, [(x + turn * dx, y, z) for dx, y in frame], paint)


def add_pole(street: Street, x: float, z: float, head: str) -> None:
    """Add a pole with a traffic light, a sign or nothing on it."""
    y, grey = street.rng.uniform(2.5, 3.2), street.pick('#787a7c #5a5e60')
    top = y if head else 2 * y
    street.depth = z
    street.box('pole', (x - 0.09, x + 0.09), (0, top), z, grey)
    if head == 'traffic light':
        case, lamp = street.pick(BLACK), street.pick('lime orange red')
        street.box(head, (x - 0.2, x + 0.2), (y - 0.6, y + 0.5), z, case)
        street.disc(head, (x, y, z), (0.15, 0.15, 0), lamp)
    elif head == 'traffic sign':
        face = street.pick('firebrick royalblue gold')
        corners = street.rng.choice((3, 4, 16))
        street.disc(head, (x, y, z), (0.46, 0.46, 0), face, corners)


def add_roadside(street: Street, edge: float, wanted: List[str]) -> None:
    """Line one side; the wanted kinds come first where it is in view."""
    z = 1.9 * abs(edge) - street.rng.uniform(9, 12)
    while z < 150:
        kind, end = street.rng.choice(KINDS), z + street.rng.uniform(9, 20)
        if wanted and z > abs(edge):
            kind = wanted.pop()
        add = add_building if kind == 'building' else add_barrier
        add(street, kind, edge, (z, end))
        z = end


def add_traffic(street: Street, left: float, shown: Sequence[str]) -> None:
    wanted = [kind for kind in ('truck', 'bus') if kind in shown]
    for x in (0, -3.4, RIGHT - 1, left + 1):
        z = street.rng.uniform(8, 20)
        if 'train' in shown and x == left + 1:
            add_vehicle(street, 'train', left + 2, z)
            break
        kinds = ['car'] * 14 + ['truck', 'bus'] * (x in (0, -3.4))
        while z < 90:
            label = street.rng.choice(kinds)
            if wanted and x == -3.4:
                label = wanted.pop()
            z += add_vehicle(street, label, x, z)
            z += 1 + street.rng.exponential(14)


def draw_scene(
    rng: np.random.Generator, size: Tuple[int, int], shown: Sequence[str]
) -> Tuple[Image.Image, List[Tuple[str, list]]]:
    """Draw a street that, with luck, shows the named classes.

    Args:
        rng (np.random.Generator): Source of all that varies.
        size (Tuple[int, int]): Height and width in pixels.
        shown (Sequence[str]): Names of the rarer Cityscapes classes wanted.

    Returns:
        Tuple[Image.Image, List[Tuple[str, list]]]: The picture, and
            label and corners in pixels of each shape, the nearest last.
    """
    street = Street(rng, size)
    # The bonnet of the camera's car, which Cityscapes ignores.
    y = CAMERA - (street.height - street.horizon) / street.focal
    street.disc('ego vehicle', (0, y, 1), (0.6, 0.03, 0), street.pick(BLACK))
    left = -rng.uniform(6.5, 7.5) - 2 * ('train' in shown)
    walk = rng.uniform(2.8, 4.5)
    add_ground(street, left, walk)
    lawns = 4 * (rng.permutation(2) * ('terrain' in shown))
    barriers = [kind for kind in ('wall', 'fence') if kind in shown]
    add_roadside(street, left - walk - lawns[0], barriers[:1])
    add_roadside(street, RIGHT + walk + lawns[1], barriers[1:])
    add_traffic(street, left, shown)
    left_walk = (left - walk + 0.5, left - 0.6)
    right_walk = (RIGHT + 0.6, RIGHT + walk - 0.5)
    for span in (left_walk, right_walk):
        for z in rng.uniform(9, 32, rng.integers(2, 6)):
            add_person(street, 'person', rng.uniform(*span), z)
    for label in ('bicycle', 'motorcycle'):
        for span in (left_walk, right_walk, (-2, RIGHT - 2)):
            if rng.random() < (0.8 if label in shown else 0.25):
                x, z = rng.uniform(*span), rng.uniform(8, 15)
                add_two_wheeler(street, label, x, z)
                if span[0] == -2:
                    add_person(street, 'rider', x, z)
    heads = ['', 'traffic light', 'traffic sign']
    nearest = [head for head in heads if head in shown] or heads
    for x in (left - 0.4, RIGHT + 0.4):
        for z in np.arange(rng.uniform(9, 14), 70, 10):
            add_pole(street, x, z, rng.choice(nearest if z < 24 else heads))
            if rng.random() < 0.4:
                add_tree(street, x + np.sign(x), z + 5)
    shapes = sorted(street.shapes, key=lambda shape: -shape[0])
    return paint(street, shapes), [(s[1], s[2]) for s in shapes]


def paint(street: Street, shapes: Sequence[tuple]) -> Image.Image:
    """Fill the shapes, then add texture, light and sensor noise."""
    rng, width, height = street.rng, street.width, street.height
    image = Image.new('RGB', (width, height))
    draw = ImageDraw.Draw(image)
    for _, _, polygon, rgb in shapes:
        draw.polygon(polygon, fill=rgb)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)), float)
    for grain in (3, 24):
        noise = rng.normal(0, 4, (height // grain + 2, width // grain + 2))
        noise = Image.fromarray(noise.astype(np.float32)).resize(image.size)
        pixels = pixels + np.asarray(noise)[..., None]
    pixels = pixels * rng.uniform(0.75, 1.15) * (1 + rng.normal(0, 0.04, 3))
    pixels += rng.normal(0, rng.uniform(1, 4), pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
