"""Writes keras_files/ and keras_files_golden.json: small trained models as Keras saves them, and their probabilities.

The files contain the time of writing, so they differ after each run.
"""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tf_keras

FOLDER = pathlib.Path(__file__).parent
SIDE_PX = 10  # odd after one pooling
IMAGES = 4


def sequential(keras, epsilon=0.02):
    """Returns the tutorial's network, smaller, with batch normalisation of another epsilon after a bias, and a named layer."""
    L = keras.layers
    return keras.Sequential(
        [
            L.InputLayer((SIDE_PX, SIDE_PX, 3)),
            L.Conv2D(4, 2, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(3, 3, padding="same"),
            L.BatchNormalization(epsilon=epsilon),
            L.Activation("relu"),
            L.MaxPooling2D(2),
            L.Dropout(0.2),
            L.Flatten(),
            L.Dense(5, activation="relu", name="hidden"),
            L.Dropout(0.2),
            L.Dense(1, activation="sigmoid"),
        ]
    )


def functional(keras):
    """Returns a network with its rescaling, layers without some of their weights, and separate activations."""
    L = keras.layers
    x = image = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    x = L.Rescaling(1 / 255)(x)
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = L.BatchNormalization(scale=False)(x)
    x = L.ReLU()(x)
    x = L.Conv2D(5, 1, use_bias=False)(x)
    x = L.BatchNormalization(center=False)(x)
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(9, use_bias=False)(x)
    x = L.Activation("relu")(x)
    x = L.Dense(1)(x)
    return keras.Model(image, L.Activation("sigmoid")(x))


def train(keras, build, optimizer, scale):
    """Returns a model after a few steps, so that no weight and no moving average has its initial value."""
    keras.utils.set_random_seed(4)
    model = build(keras)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(2)
    labels = np.arange(64) % 2
    images = rng.uniform(0, scale, (64, SIDE_PX, SIDE_PX, 3)) * (0.5 + 0.5 * labels[:, None, None, None])
    model.fit(images, labels, batch_size=16, epochs=4, verbose=0)
    return model


rng = np.random.default_rng(3)
images = rng.random((IMAGES, SIDE_PX, SIDE_PX, 3)).round(3).astype("float32")
images[::2] /= 2
golden = {"images": images.ravel().tolist(), "probabilities": {}}


def save(model, names, scale=1):
    probabilities = model.predict(images * np.float32(scale), verbose=0).ravel()
    assert np.all(np.abs(probabilities - 0.5) < 0.49) and np.ptp(probabilities) > 0.01, probabilities
    for name in names:
        path = FOLDER / "keras_files" / name
        (model.save_weights if ".weights." in name else model.save)(path)
        golden["probabilities"][name] = probabilities.tolist()


(FOLDER / "keras_files").mkdir(exist_ok=True)
save(train(keras, sequential, "adam", 1), ["sequential.keras", "sequential.h5"])
# Files of weights do not contain the epsilon.
save(train(keras, lambda keras: sequential(keras, 1e-3), "adam", 1), ["sequential.weights.h5"])
save(train(keras, functional, "sgd", 255), ["functional.keras"], 255)
save(train(tf_keras, sequential, "adam", 1), ["keras2_sequential.h5"])
save(train(tf_keras, functional, "sgd", 255), ["keras2_functional.h5"], 255)
(FOLDER / "keras_files_golden.json").write_text(json.dumps(golden) + "\n")
