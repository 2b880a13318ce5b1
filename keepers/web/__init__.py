"""What a keeper answers over HTTP."""
