"""The metrics as pure functions on features and logits."""
