"""The command line: registered commands, their options and arguments, shell completion."""
