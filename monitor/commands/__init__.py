"""The subcommands of `camshaft`, one file each. May import every other package."""
