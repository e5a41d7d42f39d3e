"""Every model and check of sql/ on rows made by hand, on both engines."""
