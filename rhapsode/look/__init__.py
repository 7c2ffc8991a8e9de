"""Looking at an installation from outside, whether it runs or not: `rhapsode status` and `rhapsode doctor`.

Reads files, asks the database, changes nothing.
"""
