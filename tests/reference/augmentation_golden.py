"""Writes augmentation_golden.json: an image transformed by Keras' ImageDataGenerator with given parameters.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 scipy==1.17.1 numpy==2.4.6
    python augmentation_golden.py
"""

import json
import pathlib

import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIDE = 9

# Only the last case combines rotation and shift, since the result depends on their order: Keras shifts first.
CASES = [
    {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": True, "flip_vertical": False},
    {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 0.8, "zy": 1.2, "flip_horizontal": False, "flip_vertical": False},
    {"theta": 0, "tx": 0, "ty": 0, "shear": 0.2, "zx": 1.17, "zy": 0.86, "flip_horizontal": True, "flip_vertical": False},
    {"theta": 0, "tx": 0, "ty": 0, "shear": -25, "zx": 1, "zy": 1, "flip_horizontal": False, "flip_vertical": False},
    {"theta": 33, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": False, "flip_vertical": False},
    {"theta": 0, "tx": 1.5, "ty": -0.75, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": False, "flip_vertical": False},
    {"theta": -70, "tx": 0.5, "ty": 2, "shear": 12, "zx": 0.7, "zy": 1.4, "flip_horizontal": True, "flip_vertical": True},
]


def image(side):
    row, column, channel = np.indices((side, side, 3))
    return (row * 31 + column * 17 + channel * 97 + row * column * 7) % 256


def main():
    generator = ImageDataGenerator(rescale=1 / 255)
    cases = []
    for case in CASES:
        x = generator.apply_transform(image(SIDE).astype("float32"), case)
        x = generator.standardize(x)
        cases.append({**case, "expected": [round(float(v), 5) for v in x.ravel()]})
    path = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f'{{"side": {SIDE}, "cases": [\n{lines}\n]}}\n')


main()
