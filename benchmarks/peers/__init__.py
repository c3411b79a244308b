"""The same job on other task queues, each as its documentation recommends."""

import logging

# httpx tells every request at the level of information, and some workers print that.
logging.getLogger("httpx").setLevel(logging.WARNING)
