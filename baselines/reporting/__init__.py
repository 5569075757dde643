"""Reports, plots and pages."""
