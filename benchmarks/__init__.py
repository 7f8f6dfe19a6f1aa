"""The published measurements: each script measures one thing as ratios within one run."""
