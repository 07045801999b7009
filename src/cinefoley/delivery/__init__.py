"""Delivery to edit suites: timecode, cue sheets, stems, timelines and mixes."""
