"""Networks that compute features of a clip: PANNs, VGGish, and the project's own small classifier."""
