"""Deployment and the scripts that Ape runs (`ape run deploy`)."""
