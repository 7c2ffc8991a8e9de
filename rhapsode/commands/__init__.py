"""The commands, by what they are about; `rhapsode.cli` puts them together."""
