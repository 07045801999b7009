"""Studio sessions: a video, its shots and takes, the accepted takes, and their export."""
