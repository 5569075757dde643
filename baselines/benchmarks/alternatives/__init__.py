"""Plain implementations of the same work, which compiled code is compared with."""
