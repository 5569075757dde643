"""What infers the specimen from measurements."""
