"""Rules that every change must keep, checked without running anything."""
