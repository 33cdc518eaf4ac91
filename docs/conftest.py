"""What pytest leaves alone here: the build of the docs runs the examples, and scripts have no tests."""

collect_ignore_glob = ["*.py", "auto_examples/*"]
