"""Film in, sound out."""

from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.output import FoleyBlock, FoleyOutput

__all__ = ["FoleyBlock", "FoleyOutput", "FoleyPipeline"]
