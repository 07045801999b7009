"""Writing videos: muxing audio beside a copied video stream, and re-encoding frames."""
