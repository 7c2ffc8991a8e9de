"""The sandbox that scripts run in, and the filter scripts that come with Rhapsode."""
