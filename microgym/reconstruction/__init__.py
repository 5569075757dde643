"""Inference of the specimen from measurements."""
