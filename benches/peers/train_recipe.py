"""Trains the recipe `keras-tutorial` in Keras, from a folder of PNG files to a saved model.

usage: train_recipe.py DATA EPOCHS
DATA contains Parasitized/ and Uninfected/. A random 30 % of each class are the validation set. Prints one JSON object
per epoch.
"""

import json
import os
import pathlib
import random
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import networks
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIDE = networks.SIDE[networks.TUTORIAL]
SIZE = dict(target_size=(SIDE, SIDE), batch_size=100, class_mode="binary")


def divide(data, root):
    """Creates links to the images in root/{Train,Test}/CLASS."""
    shuffle = random.Random(0).shuffle
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        files = sorted(folder.glob("*.png"))
        shuffle(files)
        held_back = int(0.3 * len(files))
        for part, members in (("Test", files[:held_back]), ("Train", files[held_back:])):
            (root / part / folder.name).mkdir(parents=True)
            for file in members:
                (root / part / folder.name / file.name).symlink_to(file.resolve())


def main(data, epochs):
    with tempfile.TemporaryDirectory() as root:
        divide(pathlib.Path(data), pathlib.Path(root))
        vary = ImageDataGenerator(rescale=1 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
        training = vary.flow_from_directory(f"{root}/Train", **SIZE)
        validation = ImageDataGenerator(rescale=1 / 255).flow_from_directory(f"{root}/Test", **SIZE)
        network = networks.keras_network(networks.TUTORIAL)
        network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        for epoch in range(int(epochs)):
            start = time.perf_counter()
            found = network.fit(training, validation_data=validation, verbose=0).history
            row = {name: round(values[0], 4) for name, values in found.items()}
            print(json.dumps({"epoch": epoch + 1, "seconds": round(time.perf_counter() - start, 1), **row}), flush=True)
        network.save(f"{root}/model.keras")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
