"""What must be reached, measured as ratios against a limit of the same run."""
