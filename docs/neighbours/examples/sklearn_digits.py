"""Digits, read row by row: a pipeline, a search, and a label at each row."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from cybptt.sklearn import RNNClassifier, SequenceTagger

digits = load_digits()
train, test, train_y, test_y = train_test_split(
    digits.data, digits.target, stratify=digits.target, random_state=0
)


def rows(X):
    """The 64 pixels of a digit as a sequence of eight rows."""
    return X.reshape(-1, 8, 8)


pipeline = make_pipeline(
    MinMaxScaler(), FunctionTransformer(rows), RNNClassifier(tol=1e-3, random_state=0)
)
grid = {
    "rnnclassifier__n_hidden": [16, 64],
    "rnnclassifier__activation": ["tanh", "relu"],
}
search = GridSearchCV(pipeline, grid, cv=3).fit(train, train_y)
for words, accuracy in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(*words.values(), f"{100 * accuracy:.1f} %")
print(f"the best, on digits it has not seen: {100 * search.score(test, test_y):.1f} %")

# [tagger]
train_rows, test_rows = rows(train / 16), rows(test / 16)
tagger = SequenceTagger(learning_rate_init=3e-3, tol=1e-2, random_state=0)
tagger.fit(train_rows, np.repeat(train_y[:, None], 8, axis=1))  # (n, 8): one a row
for n_rows in (2, 4, 8):
    guess = tagger.predict(test_rows[:, :n_rows])[:, -1]
    print(f"after {n_rows} rows {100 * (guess == test_y).mean():.1f} % are right")

# Sequences of different lengths are a list, and so is what comes back.
for proba in tagger.predict_proba([test_rows[0], test_rows[1, :5]]):
    print(proba.shape, "in the end a", tagger.classes_[proba[-1].argmax()])
# [end]
assert search.score(test, test_y) > 0.95
