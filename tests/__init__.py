"""Tests. Rows are made by hand where few tell the story, and real data is counted independently."""
