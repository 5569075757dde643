"""Recorded scans: readers, replay in place of a simulator, reference reconstruction."""
