"""Homer's names for logins and profiles."""

from typing import Literal

import msgspec

from api.errors import RequestError


class LoginRequest(msgspec.Struct):
    """`POST /auth`. Other names, such as the UI's `type`, are ignored."""

    username: str | None = None
    password: str | None = None

    def checked(self) -> tuple[str, str]:
        """Username and password; RequestError in the words of Homer's validator when one is empty."""
        if self.username and self.password:
            return self.username, self.password
        fields = {"Username": self.username, "Password": self.password}
        raise RequestError("\n".join(_required(name) for name, value in fields.items() if not value))


class LoginUser(msgspec.Struct):
    admin: bool


class LoginAnswer(msgspec.Struct):
    token: str
    """The JWT for `Authorization: Bearer …`."""
    scope: str
    """The user's guid."""
    user: LoginUser
    expires: int
    """When the token expires, in seconds since the Unix epoch."""
    expires_in: int
    """The same, in seconds from now."""


class AuthType(msgspec.Struct):
    enable: bool
    name: str
    position: int
    type: str


class AuthTypes(msgspec.Struct):
    internal: AuthType
    ldap: AuthType


class AuthTypesAnswer(msgspec.Struct):
    data: AuthTypes
    count: Literal[1] = 1
    message: str = "all good"


class Profile(msgspec.Struct):
    """The user as the UI's header shows it. `guid`, `displayname` and `avatar` must be there."""

    guid: str
    username: str
    displayname: str
    group: str
    admin: bool
    avatar: str = ""
    external_auth: bool = False
    external_profile: str = ""


class ProfileAnswer(msgspec.Struct):
    data: Profile
    count: Literal[0] = 0


def _required(field: str) -> str:
    return (
        f"Key: 'UserloginDetails.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
    )
