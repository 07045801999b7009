"""Test sets of varied clips (VGG-CU, VGG-CM): building, manifest and events."""
