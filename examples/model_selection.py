"""Choose a model with cross-validation: scikit-learn distributes the fits over the workers through joblib."""

import joblib
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from partita.distributed import Client


def main() -> None:
    x, y = make_classification(3_000, 20, n_informative=8, random_state=0)
    train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    search = RandomizedSearchCV(linear, {"logisticregression__C": loguniform(1e-3, 1e3)}, n_iter=12, random_state=0)
    forest = RandomForestClassifier(60, random_state=0)
    # The training data is sent to the workers once, not with each fit.
    with Client(), joblib.parallel_config("partita", scatter=[train_x, train_y]):
        search.fit(train_x, train_y)
        forest_scores = cross_val_score(forest, train_x, train_y, n_jobs=-1)
    print(f"linear model: {search.best_score_:.3f} with C = {search.best_params_['logisticregression__C']:.3g}")
    print(f"random forest: {forest_scores.mean():.3f}")
    best = forest if forest_scores.mean() > search.best_score_ else search.best_estimator_
    print(f"chosen: {type(best).__name__}, {best.fit(train_x, train_y).score(test_x, test_y):.3f} on unseen data")


if __name__ == "__main__":
    main()
