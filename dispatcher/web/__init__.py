"""What `dispatcher serve` answers over HTTP: the provider's callbacks, and its health.

It never imports the workers; who runs it hands over what else is to be done.
"""
