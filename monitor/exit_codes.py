"""What a command's exit code says. One place, for every command and for systemd."""

EXIT_OK = 0
EXIT_NO = 1  # the command ran, and its answer is no
EXIT_REFUSED = 2  # configuration, model, arguments or journal cannot be used
EXIT_SUPERSEDED = 3  # another process has taken the partition over
EXIT_FAULT = 70  # an unexpected fault
EXIT_INTERRUPTED = 130
