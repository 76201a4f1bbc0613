"""Handwritten digits, row by row: many small networks, each a job of its own.

pip install cybptt joblib scikit-learn && python joblib_seeds.py
"""

import itertools

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
from cybptt.data import Batches
from cybptt.optim import Adam
from cybptt.train import fit


def train(rate, seed):
    """The share of test digits that a network of this rate and seed tells rightly."""
    digits = load_digits()
    images, test_images, y, test_y = train_test_split(
        digits.images / 16, digits.target, test_size=0.25, random_state=0
    )
    rnn = cybptt.RNN(n_inputs=8, n_hidden=32, n_outputs=10, outputs="last")
    params = rnn.init(seed=seed, scheme="orthogonal")
    batches = Batches(images, y, batch=32, outputs="last", epochs=10, seed=seed)
    fit(rnn, params, batches, optimizer=Adam(lr=rate), carry=False, n_threads=1)
    test_x = test_images.transpose(1, 0, 2)
    return 100 * np.mean(rnn.predict(params, test_x).argmax(axis=1) == test_y)


RATES, SEEDS = (0.001, 0.003, 0.01), range(4)

if __name__ == "__main__":
    jobs = [delayed(train)(*each) for each in itertools.product(RATES, SEEDS)]
    right = np.reshape(Parallel(n_jobs=-1)(jobs), (len(RATES), len(SEEDS)))
    for rate, row in zip(RATES, right, strict=True):
        print(
            f"rate {rate}: {row.mean():.1f} % (from {row.min():.1f} to {row.max():.1f})"
        )
