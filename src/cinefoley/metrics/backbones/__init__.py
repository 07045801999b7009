"""Networks that turn a clip into features: PANNs, VGGish, and the project's own small classifier."""
