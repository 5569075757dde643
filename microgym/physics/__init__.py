"""Physics: compiled kernels and closed forms, one module a phenomenon."""
