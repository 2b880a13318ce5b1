"""Deploys Plimsoll through any executor: a list of resumable steps, free of frameworks."""
