"""What `dispatcher serve` answers over HTTP: callbacks, pages, metrics, health.

It never imports the workers; who runs it hands over what else is to be done.
"""
