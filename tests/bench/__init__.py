"""Speed as ratios between programs measured in one run. No test asserts a time."""
