"""Who asks: a user who is logged in, or a program with an API token."""

import msgspec

ADMIN_GROUP = "admin"


class Caller(msgspec.Struct, frozen=True):
    """The same for every route, by whatever they have shown that it is they."""

    username: str
    usergroup: str
    guid: str = ""
    """Empty for an API token."""
    displayname: str = ""
    login_id: str = ""
    """Of the login; empty for an API token."""
    token_name: str = ""
    """Of the API token; empty for a login."""
    expires_s: int = 0
    """When the login expires, in seconds since the Unix epoch."""

    @property
    def useradmin(self) -> bool:
        """Exactly the group `admin`: Homer's substring made an administrator of `nonadmin`."""
        return self.usergroup == ADMIN_GROUP

    @property
    def shown(self) -> str:
        """For log and audit."""
        return f"{self.username} (API token {self.token_name})" if self.token_name else self.username
