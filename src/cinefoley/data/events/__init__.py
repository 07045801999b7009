"""Known events of clips: read from event files or taken from the stage, whole or as a window shows them."""
