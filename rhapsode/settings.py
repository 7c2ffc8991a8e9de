"""The whole settings tree, and how it is read: command line over environment over TOML file over default.

Knows nothing of packets, SQL or routes.
"""
