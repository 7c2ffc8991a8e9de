"""The embedded PostgreSQL server.

`server` starts and stops it; `account` says who it runs as and what that account can reach, `programs` where
its programs are, `files` what its configuration is and what a dead server leaves behind.
"""

from rhapsode.postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
