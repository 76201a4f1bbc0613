"""BPTT(k1, k2) on a file: how far back need a gradient reach?

python long_file.py [UPDATES]      (6000; a minute or two)
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import cybptt
from cybptt.data import Chunks
from cybptt.optim import Adam
from cybptt.text import standard_text
from cybptt.train import cosine, evaluate, fit

updates = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "english.bin")
path.write_bytes(standard_text().encode())  # any file of yours, of any size
data = np.memmap(path, np.uint8, "r")
train, held_out = np.split(data, [19 * len(data) // 20])
print(f"{len(train):,} bytes to train on, {updates:,} updates each")

rnn = cybptt.RNN(256, 64, 256, inputs="tokens")
for k1, k2 in ((2, 2), (2, 4), (2, 16), (16, 16)):
    chunks = Chunks(train, batch=32, steps=k1, window=k2)
    params = rnn.init(seed=0, dtype=np.float32)
    history = fit(
        rnn,
        params,
        chunks,
        optimizer=Adam(),
        schedule=cosine(4e-3, updates),
        max_norm=1.0,
        steps=updates,
    )
    bits = evaluate(rnn, params, Chunks(held_out, batch=1, steps=1000)) / np.log(2)
    seconds = history.records[-1].elapsed
    print(f"k1 = {k1:2}, k2 = {k2:2}: {bits:.3f} bits a byte, {seconds:.0f} s")
folder.cleanup()
