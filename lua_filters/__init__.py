"""The Lua prelude and the filter scripts that come with Rhapsode."""
