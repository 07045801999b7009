"""Reading video frames: decoding, sampling by time, cropping."""
