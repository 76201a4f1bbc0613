"""Handwritten digits, row by row: one network, trained by all ranks.

pip install 'cybptt[mpi]' mpich scikit-learn && mpiexec -n 4 python mpi_digits.py
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
from cybptt.data import Batches
from cybptt.mpi import Group
from cybptt.optim import Adam
from cybptt.train import Stop, fit, shard

digits = load_digits()
images, test_images, y, test_y = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
test_x = test_images.transpose(1, 0, 2)  # (T, B, I)

# [group]
group = Group()
rnn = cybptt.RNN(n_inputs=8, n_hidden=64, n_outputs=10, outputs="last")
params = rnn.init(seed=0, scheme="orthogonal")  # the same on every rank
batches = Batches(images, y, batch=64, outputs="last", epochs=40, seed=0)


def enough(record):
    """Early stopping: every rank sees the same record, and decides the same."""
    if record.validation is not None and record.validation < 0.15:
        raise Stop("a loss of 0.15 on the test digits")


history = fit(
    rnn,
    params,
    shard(rnn, batches, group),  # of each batch of 64, 16 are here
    optimizer=Adam(lr=0.003),
    max_norm=1.0,
    carry=False,
    validation=shard(rnn, [(test_x, test_y)], group),
    validate_every=22,  # an epoch
    callbacks=[enough],
    checkpoint="digits.safetensors",  # rank 0 writes it
    n_threads=group.n_threads,
    group=group,
)
if group.rank == 0:
    right = 100 * np.mean(rnn.predict(params, test_x).argmax(axis=1) == test_y)
    print(f"{group.size} ranks: {history.stopped}")
    print(f"after {history.records[-1].step} steps; {right:.1f} % are told rightly")
