"""Known events of clips: read from event files or taken from the stage, whole or as a window shows them.

``event_file`` reads ``SPLIT.events.jsonl``, ``stage_events`` takes events from the stage; both return
``ClipEvents``. ``rows`` turns events and labels into tensors.
"""
