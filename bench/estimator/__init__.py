"""One autoencoder as a scikit-learn estimator: trained as a cell of a run is, kept in one file."""
