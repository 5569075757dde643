"""Detection and tracking of adatoms in tunnelling images."""
