"""Training a model, once or over folds."""
